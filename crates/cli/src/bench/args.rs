//! What to measure.

use std::sync::Arc;
use std::time::Duration;

use quorate_runtime::RuntimeArgs;
use quorate_runtime::args::{byte_size, duration};

use crate::{ConnectionArgs, OutputArgs};

/// The most operations in flight: more needs more than one machine.
const MAX_IN_FLIGHT: i64 = 65_536;
/// The most connections of this process.
const MAX_CONNECTIONS: i64 = 1024;
/// As many operations in flight share a connection, unless told otherwise.
const IN_FLIGHT_PER_CONNECTION: usize = 64;
/// The longest value, in bytes: no store takes longer ones.
const MAX_VALUE_BYTES: u64 = 64 * 1024 * 1024;

/// Arguments of `bench`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Numbers of operations in flight to measure with, one after the other, separated by
    /// commas.
    #[arg(
        long,
        short,
        env = "QUORATE_BENCH_CONCURRENCY",
        value_name = "COUNT",
        value_delimiter = ',',
        default_value = "1,16,64,256",
        value_parser = clap::value_parser!(u32).range(1..=MAX_IN_FLIGHT)
    )]
    pub(super) concurrency: Vec<u32>,

    /// Kinds of operations to measure, one after the other, separated by commas.
    #[arg(
        long,
        env = "QUORATE_BENCH_OPERATIONS",
        value_name = "KIND",
        value_delimiter = ',',
        default_value = "set,get",
        value_enum
    )]
    pub(super) operations: Vec<OperationKind>,

    /// How many percent of mixed operations are sets.
    #[arg(
        long,
        env = "QUORATE_BENCH_SET_PERCENT",
        value_name = "PERCENT",
        default_value = "50",
        value_parser = clap::value_parser!(u8).range(1..=99)
    )]
    pub(super) set_percent: u8,

    /// How long each measurement takes, after its warm-up.
    #[arg(
        long,
        short,
        env = "QUORATE_BENCH_DURATION",
        value_name = "DURATION",
        default_value = "5s",
        value_parser = duration
    )]
    pub(super) duration: Duration,

    /// How long operations are made before each measurement.
    #[arg(
        long,
        env = "QUORATE_BENCH_WARMUP",
        value_name = "DURATION",
        default_value = "1s",
        value_parser = duration
    )]
    pub(super) warmup: Duration,

    /// How many keys there are. Each operation draws one, all alike.
    #[arg(
        long,
        env = "QUORATE_BENCH_KEYS",
        value_name = "COUNT",
        default_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..=10_000_000)
    )]
    pub(super) keys: u32,

    /// What the keys begin with. They stay in the store, and the next run uses them again.
    #[arg(
        long,
        env = "QUORATE_BENCH_KEY_PREFIX",
        value_name = "TEXT",
        default_value = "quorate-bench-",
        value_parser = key_prefix
    )]
    pub(super) key_prefix: String,

    /// How long values are.
    #[arg(
        long,
        env = "QUORATE_BENCH_VALUE_SIZE",
        value_name = "SIZE",
        default_value = "64B",
        value_parser = value_size
    )]
    pub(super) value_size: usize,

    /// How many connections to use; one for every 64 operations in flight, if not given.
    #[arg(
        long,
        env = "QUORATE_BENCH_CONNECTIONS",
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=MAX_CONNECTIONS)
    )]
    connections: Option<u32>,

    /// Process ids of the store on this machine, to report the processor time that they use
    /// per operation, together. Repeat the flag, or separate by commas.
    #[arg(
        long,
        env = "QUORATE_BENCH_SERVER_PID",
        value_name = "PID",
        value_delimiter = ','
    )]
    pub(super) server_pid: Vec<u32>,

    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) runtime: RuntimeArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OperationKind {
    /// Sets only.
    Set,
    /// Gets only.
    Get,
    /// Both, see --set-percent.
    Mixed,
}

impl OperationKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Get => "get",
            Self::Mixed => "mixed",
        }
    }
}

impl Args {
    /// How many connections to use for so many operations in flight: never more than those.
    pub(super) fn connections(&self, in_flight: usize) -> usize {
        let wanted = match self.connections {
            Some(count) => count as usize,
            None => in_flight.div_ceil(IN_FLIGHT_PER_CONNECTION),
        };
        wanted.clamp(1, in_flight)
    }

    /// The keys.
    pub(super) fn keys(&self) -> Arc<[quorate_client::Key]> {
        quorate_workload::load::keys(&self.key_prefix, self.keys as usize)
    }
}

/// A prefix with which every number makes a key.
fn key_prefix(text: &str) -> Result<String, String> {
    const MAX: usize = quorate_client::MAX_KEY_BYTES - u32::MAX.ilog10() as usize - 1;
    match text.len() {
        length if length > MAX => Err(format!("it has {length} bytes; the limit is {MAX}")),
        _ => Ok(text.to_owned()),
    }
}

fn value_size(text: &str) -> Result<usize, String> {
    let bytes = byte_size(text).map_err(|error| error.to_string())?;
    match usize::try_from(bytes) {
        Ok(size) if bytes <= MAX_VALUE_BYTES => Ok(size),
        _ => Err("no store takes values of more than 64MiB".to_owned()),
    }
}
