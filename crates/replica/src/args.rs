//! What a replica is told at its start.

use std::path::PathBuf;
use std::time::Duration;

use quorate_proto::Limits;
use quorate_register::ReplicaId;
use quorate_runtime::args::{byte_size, duration};
use quorate_runtime::telemetry::{LogArgs, TraceArgs};
use quorate_runtime::{ListenAddress, RuntimeArgs, ShutdownArgs};

use crate::{CommitLimits, ReplicaOptions, disk};

/// The passive role of Quorate: keeps the pair with the largest timestamp per key, on disk.
#[derive(Debug, Clone, clap::Parser)]
// A replica leaves at once: coordinators ask the others.
#[command(name = "quorate-replica", version, mut_arg("shutdown_delay", |delay| delay.default_value("0s")))]
pub struct ReplicaArgs {
    /// Where coordinators reach this replica.
    #[arg(
        long,
        env = "QUORATE_REPLICA_LISTEN",
        value_name = "HOST:PORT",
        default_value = "[::]:7401"
    )]
    pub listen: ListenAddress,

    /// Where metrics, probes and settings are served over HTTP.
    #[arg(
        long,
        env = "QUORATE_ADMIN_LISTEN",
        value_name = "HOST:PORT",
        default_value = "[::]:7402"
    )]
    pub admin_listen: ListenAddress,

    /// The name by which the config knows this replica's place, such as its pod's name. It
    /// must stay the same as long as the data directory is used.
    #[arg(long, env = "QUORATE_POD", value_name = "NAME")]
    pub pod: String,

    /// The disk and the store in it.
    #[command(flatten)]
    pub store: StoreArgs,

    /// When the replica serves.
    #[command(flatten)]
    pub admission: AdmissionArgs,

    /// What the logs say.
    #[command(flatten)]
    pub log: LogArgs,

    /// Where traces go.
    #[command(flatten)]
    pub traces: TraceArgs,

    /// How the machine is used.
    #[command(flatten)]
    pub runtime: RuntimeArgs,

    /// How long, after the signal to end, a coordinator is waited for that says whether this
    /// replica is wanted. One that is not serves on until the members were changed; 0s: leave at
    /// once, whatever the coordinators want.
    #[arg(long, env = "QUORATE_WAIT_FOR_ADVICE", value_name = "DURATION", value_parser = duration, default_value = "0s")]
    pub wait_for_advice: Duration,

    /// How the process ends.
    #[command(flatten)]
    pub shutdown: ShutdownArgs,
}

/// When a replica begins to serve.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct AdmissionArgs {
    /// Serve only once a coordinator compared this start with the boot counters, so that an old
    /// copy of the data directory is noticed. The coordinators need a config store for that.
    #[arg(long, env = "QUORATE_REQUIRE_ADMISSION")]
    pub require_admission: bool,

    /// A folder that lives as long as the pod and lies apart from the data directory, such as
    /// an emptyDir: a container that is restarted in its pod needs no admission then.
    #[arg(long, env = "QUORATE_INSTANCE_DIR", value_name = "DIR")]
    pub instance_dir: Option<PathBuf>,
}

/// The disk of a replica and its limits.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArgs {
    /// The folder with the replica's data; made when it is not there.
    #[arg(long, env = "QUORATE_DATA_DIR", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// The limits, which have defaults.
    #[command(flatten)]
    pub limits: StoreLimitArgs,
}

/// Limits of a replica.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreLimitArgs {
    /// Writes are refused while the file system has less free space than this; reads go on.
    #[arg(long, env = "QUORATE_DISK_RESERVE", value_name = "BYTES", value_parser = byte_size, default_value = "64MiB")]
    pub disk_reserve: u64,

    /// Memory for blocks of the store that were read.
    #[arg(long, env = "QUORATE_CACHE_SIZE", value_name = "BYTES", value_parser = byte_size, default_value = "64MiB")]
    pub cache_size: u64,

    /// For how many keys the timestamp is kept in memory; those of others are read from disk.
    #[arg(
        long,
        env = "QUORATE_CACHED_TIMESTAMPS",
        value_name = "COUNT",
        default_value_t = 100_000
    )]
    pub cached_timestamps: usize,
}

/// A replica takes whatever its coordinators let pass, which have the limit that users set.
pub(crate) const MESSAGE_LIMITS: Limits = Limits::largest();

/// How often gauges that nothing else updates are read.
pub(crate) const OBSERVE_INTERVAL: Duration = Duration::from_secs(1);

impl StoreLimitArgs {
    /// The options of its disk.
    pub(crate) fn disk_options(&self) -> disk::Options {
        disk::Options {
            cache_bytes: self.cache_size,
            ..disk::Options::default()
        }
    }

    /// The options of a replica with these limits.
    pub fn options(&self, replica_id: ReplicaId, pod: &str) -> ReplicaOptions {
        ReplicaOptions {
            limits: CommitLimits::default(),
            reserved_bytes: self.disk_reserve,
            cached_timestamps: self.cached_timestamps,
            ..ReplicaOptions::new(replica_id, pod)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_flag_has_help_and_a_safe_environment_variable() {
        quorate_runtime::args::assert_environment_names(ReplicaArgs::command());
    }
}
