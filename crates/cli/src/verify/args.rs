//! What to verify, and how.

use std::path::PathBuf;
use std::time::Duration;

use quorate_runtime::RuntimeArgs;
use quorate_runtime::args::duration;

use crate::{ConnectionArgs, OutputArgs};

/// Arguments of `verify`.
// Those in flight at the end are waited for, so that a store which vanishes must not make a short
// run a long one.
#[derive(Debug, Clone, clap::Args)]
#[command(mut_arg("timeout", |timeout| timeout.default_value("5s")))]
pub struct Args {
    /// How long to run the workload. Ctrl-C or SIGTERM ends it earlier, and what it
    /// recorded until then is checked.
    #[arg(
        long,
        short,
        env = "QUORATE_VERIFY_DURATION",
        value_name = "DURATION",
        default_value = "30s",
        value_parser = duration
    )]
    pub(super) duration: Duration,

    /// Write the history to this file, a line of JSON per operation. Without it, a history
    /// that is not linearizable is written to the current folder.
    #[arg(long, env = "QUORATE_VERIFY_HISTORY", value_name = "FILE")]
    pub(super) history: Option<PathBuf>,

    /// Check this recorded history instead, without any store.
    #[arg(
        long,
        env = "QUORATE_VERIFY_CHECK",
        value_name = "FILE",
        conflicts_with = "history"
    )]
    pub(super) check: Option<PathBuf>,

    /// How many clients ask at the same time, an operation each, spread over all endpoints.
    #[arg(
        long,
        env = "QUORATE_VERIFY_CLIENTS",
        value_name = "COUNT",
        default_value = "8",
        value_parser = clap::value_parser!(u64).range(1..=10_000)
    )]
    pub(super) clients: u64,

    /// How many keys they share. Fewer keys mean more contention, where errors show.
    #[arg(
        long,
        env = "QUORATE_VERIFY_KEYS",
        value_name = "COUNT",
        default_value = "5",
        value_parser = clap::value_parser!(u64).range(1..=1_000_000)
    )]
    pub(super) keys: u64,

    /// How many operations to make at most, since all are kept in memory.
    #[arg(
        long,
        env = "QUORATE_VERIFY_OPERATIONS",
        value_name = "COUNT",
        default_value = "2000000",
        value_parser = clap::value_parser!(u64).range(1..=100_000_000)
    )]
    pub(super) operations: u64,

    /// Where the clients' random choices begin; random itself if not given. The same seed
    /// makes the same requests, though not at the same times.
    #[arg(long, env = "QUORATE_VERIFY_SEED", value_name = "NUMBER")]
    pub(super) seed: Option<u64>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
