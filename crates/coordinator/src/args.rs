//! What a coordinator is told at its start.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use quorate_proto::deadline::MAX_TIMEOUT;
use quorate_proto::transport::{ChannelOptions, ConnectionAge, InvalidAddress, channel};
use quorate_proto::{Limits, RemoteReplica};
use quorate_runtime::args::{byte_size, duration};
use quorate_runtime::telemetry::{LogArgs, TraceArgs};
use quorate_runtime::{ListenAddress, RuntimeArgs, ShutdownArgs};

use crate::kubernetes::KubernetesArgs;
use crate::membership::{Directory, FixedDirectory};
use crate::reconfiguration::{ReconfigurationOptions, TransferOptions};
use crate::repair::RepairOptions;
use crate::{Backoff, CoordinatorOptions, QuorumOptions};

/// The active role of Quorate: performs the operations of clients by quorum calls to replicas.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "quorate-coordinator", version)]
pub struct CoordinatorArgs {
    /// Where clients reach this coordinator.
    #[arg(
        long,
        env = "QUORATE_LISTEN",
        value_name = "HOST:PORT",
        default_value = "[::]:7400"
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

    /// At what age, give or take a tenth, a client's connection is ended gracefully, so that
    /// clients come to use coordinators that were started later; at least 1s. Calls in flight
    /// then have as long as at the end of the process. Never unless given.
    #[arg(
        long,
        env = "QUORATE_MAX_CONNECTION_AGE",
        value_name = "DURATION",
        value_parser = connection_age
    )]
    pub max_connection_age: Option<Duration>,

    /// A place where a replica runs, NAME=HOST:PORT, with the name that the replica was given
    /// as its pod. Repeat it, or separate places with commas.
    #[arg(
        long = "replica",
        env = "QUORATE_REPLICAS",
        value_name = "NAME=HOST:PORT",
        value_delimiter = ',',
        required_unless_present = "kubernetes",
        conflicts_with = "kubernetes"
    )]
    pub replicas: Vec<ReplicaAddress>,

    /// A file that keeps the agreed config, shared by the coordinators of one machine. Without
    /// it the config is learned from the replicas.
    #[arg(
        long,
        env = "QUORATE_CONFIG_FILE",
        value_name = "FILE",
        conflicts_with = "kubernetes"
    )]
    pub config_file: Option<PathBuf>,

    /// What is where on Kubernetes.
    #[command(flatten)]
    pub kubernetes: KubernetesArgs,

    /// How operations are performed.
    #[command(flatten)]
    pub operations: OperationArgs,

    /// How members are changed.
    #[command(flatten)]
    pub membership: MembershipArgs,

    /// What the logs say.
    #[command(flatten)]
    pub log: LogArgs,

    /// Where traces go.
    #[command(flatten)]
    pub traces: TraceArgs,

    /// How the machine is used.
    #[command(flatten)]
    pub runtime: RuntimeArgs,

    /// How the process ends.
    #[command(flatten)]
    pub shutdown: ShutdownArgs,
}

impl CoordinatorArgs {
    /// How old a client's connection may become.
    pub(crate) fn max_connection_age(&self) -> Option<ConnectionAge> {
        self.max_connection_age.map(|limit| ConnectionAge {
            limit,
            grace: self.shutdown.shutdown_limit,
        })
    }
}

/// Limits and times of operations.
#[derive(Debug, Clone, clap::Args)]
pub struct OperationArgs {
    /// The longest value that may be set.
    #[arg(long, env = "QUORATE_MAX_VALUE_SIZE", value_name = "BYTES", value_parser = value_size, default_value = "1MiB")]
    pub max_value_size: u64,

    /// How many operations may be in flight; more are refused at once.
    #[arg(long, env = "QUORATE_MAX_IN_FLIGHT", value_name = "COUNT", value_parser = in_flight, default_value = "10000")]
    pub max_in_flight: u64,

    /// How many bytes of keys and values may be in flight; more are refused at once.
    #[arg(long, env = "QUORATE_MAX_BYTES_IN_FLIGHT", value_name = "BYTES", value_parser = byte_size, default_value = "256MiB")]
    pub max_bytes_in_flight: u64,

    /// How long an operation may take when its client sets no deadline.
    #[arg(long, env = "QUORATE_DEFAULT_TIMEOUT", value_name = "DURATION", value_parser = duration, default_value = "10s")]
    pub default_timeout: Duration,

    /// How long one request to a replica waits for its answer at most before it is made again;
    /// less as it becomes known how long that replica's answers take.
    #[arg(long, env = "QUORATE_ATTEMPT_TIMEOUT", value_name = "DURATION", value_parser = duration, default_value = "1s")]
    pub attempt_timeout: Duration,

    /// How long it waits at least.
    #[arg(long, env = "QUORATE_SHORTEST_ATTEMPT_TIMEOUT", value_name = "DURATION", value_parser = duration, default_value = "100ms")]
    pub shortest_attempt_timeout: Duration,

    /// The longest pause before a request to a replica is made again for the first time; it
    /// doubles from attempt to attempt, and each pause is a random part of it.
    #[arg(long, env = "QUORATE_BACKOFF_FIRST", value_name = "DURATION", value_parser = duration, default_value = "10ms")]
    pub backoff_first: Duration,

    /// The longest pause between attempts.
    #[arg(long, env = "QUORATE_BACKOFF_MOST", value_name = "DURATION", value_parser = duration, default_value = "1s")]
    pub backoff_most: Duration,

    /// How many writes may go on in the background after their quorum was reached.
    #[arg(
        long,
        env = "QUORATE_BACKGROUND_WRITES",
        value_name = "COUNT",
        default_value_t = 4096
    )]
    pub background_writes: usize,

    /// How often the members are compared, so that those that missed writes catch up.
    #[arg(long, env = "QUORATE_REPAIR_INTERVAL", value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub repair_interval: Duration,

    /// How many keys a second are copied to members that missed them, at most.
    #[arg(long, env = "QUORATE_REPAIR_RATE", value_name = "KEYS", value_parser = keys_per_second, default_value = "200000")]
    pub repair_rate: u64,

    /// The same while this coordinator has operations in flight.
    #[arg(long, env = "QUORATE_REPAIR_BUSY_RATE", value_name = "KEYS", value_parser = keys_per_second, default_value = "10000")]
    pub repair_busy_rate: u64,

    /// How long this coordinator rests between the operations by which it tests itself: a Set
    /// and a Get of a key that no client can name.
    #[arg(long, env = "QUORATE_CANARY_INTERVAL", value_name = "DURATION", value_parser = duration, default_value = "10s")]
    pub canary_interval: Duration,

    /// Operations that take so long are logged, a few of many, with the id of their trace; and
    /// they are in the traces, sampled or not. At most 60s, the longest that any takes.
    #[arg(long, env = "QUORATE_SLOW_OPERATION", value_name = "DURATION", value_parser = slow_operation, default_value = "1s")]
    pub slow_operation: Duration,
}

/// Times and limits of changes of the members.
#[derive(Debug, Clone, clap::Args)]
pub struct MembershipArgs {
    /// How long another disk must be in the place of a member's before it is swapped in.
    #[arg(long, env = "QUORATE_SWAP_DELAY", value_name = "DURATION", value_parser = duration, default_value = "5m")]
    pub swap_delay: Duration,

    /// How long the new members of a change may be unreachable before it is given up.
    #[arg(long, env = "QUORATE_ABORT_AFTER", value_name = "DURATION", value_parser = duration, default_value = "5s")]
    pub abort_after: Duration,

    /// Fewer replicas than these are never taken for a wish.
    #[arg(long, env = "QUORATE_MIN_REPLICAS", value_name = "COUNT", value_parser = clap::value_parser!(u8).range(1..=31), default_value = "1")]
    pub min_replicas: u8,

    /// Which part of the time data is brought to new members while clients wait for operations,
    /// in percent.
    #[arg(long, env = "QUORATE_TRANSFER_SHARE", value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=100), default_value = "50")]
    pub transfer_share: u8,
}

impl MembershipArgs {
    /// The options they ask for.
    pub fn options(&self) -> ReconfigurationOptions {
        ReconfigurationOptions {
            swap_delay: self.swap_delay,
            abort_after: self.abort_after,
            minimum: self.min_replicas.into(),
            transfer: TransferOptions {
                share: f64::from(self.transfer_share) / 100.0,
                ..TransferOptions::default()
            },
            ..ReconfigurationOptions::default()
        }
    }
}

fn value_size(text: &str) -> Result<u64, String> {
    let bytes = byte_size(text).map_err(|error| error.to_string())?;
    let limit = usize::try_from(bytes).unwrap_or(usize::MAX);
    match Limits::new(limit) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

/// The most operations in flight that can be asked for: each takes memory.
const MOST_IN_FLIGHT: u64 = 1_000_000;

/// The shortest age: below it, clients would do little but connect.
const SHORTEST_CONNECTION_AGE: Duration = Duration::from_secs(1);

fn connection_age(text: &str) -> Result<Duration, String> {
    let age = duration(text).map_err(|error| error.to_string())?;
    match age >= SHORTEST_CONNECTION_AGE {
        true => Ok(age),
        false => Err(format!("it is at least {SHORTEST_CONNECTION_AGE:?}")),
    }
}

fn in_flight(text: &str) -> Result<u64, String> {
    let count = text.parse().ok();
    let count = count.filter(|count| (1..=MOST_IN_FLIGHT).contains(count));
    count.ok_or_else(|| format!("it is a number from 1 to {MOST_IN_FLIGHT}"))
}

fn slow_operation(text: &str) -> Result<Duration, String> {
    let limit = duration(text).map_err(|error| error.to_string())?;
    match (Duration::from_millis(1)..=MAX_TIMEOUT).contains(&limit) {
        true => Ok(limit),
        false => Err(format!("it is a time from 1ms to {MAX_TIMEOUT:?}")),
    }
}

fn keys_per_second(text: &str) -> Result<u64, String> {
    let rate = text.parse().ok();
    let rate = rate.filter(|rate| (1..=MOST_KEYS_PER_SECOND).contains(rate));
    rate.ok_or_else(|| format!("it is a number from 1 to {MOST_KEYS_PER_SECOND}"))
}

/// More than any store copies.
const MOST_KEYS_PER_SECOND: u64 = 1_000_000_000;

impl OperationArgs {
    /// The limits of messages.
    pub fn limits(&self) -> Limits {
        Limits::new(self.max_value_size as usize).expect("the flag's parser checked the size")
    }

    /// The options they ask for.
    pub fn options(&self) -> CoordinatorOptions {
        CoordinatorOptions {
            quorum: QuorumOptions {
                attempt_timeout: self.attempt_timeout,
                shortest_attempt_timeout: self.shortest_attempt_timeout,
                backoff: Backoff {
                    first: self.backoff_first,
                    most: self.backoff_most,
                },
                background_writes: self.background_writes,
                ..QuorumOptions::default()
            },
            default_timeout: self.default_timeout,
            operations_in_flight: self.max_in_flight as usize,
            bytes_in_flight: usize::try_from(self.max_bytes_in_flight).unwrap_or(usize::MAX),
            max_value_bytes: self.max_value_size as usize,
            repair: RepairOptions {
                interval: self.repair_interval,
                rate: self.repair_rate,
                busy_rate: self.repair_busy_rate,
                ..RepairOptions::default()
            },
            canary_interval: self.canary_interval,
            slow_operation: self.slow_operation,
            ..CoordinatorOptions::default()
        }
    }
}

/// Where a replica runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaAddress {
    /// The name the replica was given as its pod.
    pub pod: String,
    /// `host:port`.
    pub address: String,
}

impl FromStr for ReplicaAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=');
        let parts = parts.filter(|(pod, address)| !pod.is_empty() && !address.is_empty());
        let (pod, address) =
            parts.ok_or("a replica is NAME=HOST:PORT, such as a=127.0.0.1:7401")?;
        quorate_proto::transport::endpoint(address, &ChannelOptions::default())
            .map_err(|error| error.to_string())?;
        Ok(Self {
            pod: pod.into(),
            address: address.into(),
        })
    }
}

/// Why a list of replicas cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressProblem {
    /// An address is none.
    #[error(transparent)]
    Invalid(#[from] InvalidAddress),
    /// Two have one name, which must tell them apart.
    #[error("two replicas are named {0}; each needs a name of its own")]
    Twice(String),
}

/// Adds the replicas at these addresses to a directory; connections are made when first used.
///
/// # Errors
/// When an address is none, or two replicas have one name.
pub fn remote_directory(
    mut directory: FixedDirectory,
    replicas: &[ReplicaAddress],
) -> Result<FixedDirectory, AddressProblem> {
    for ReplicaAddress { pod, address } in replicas {
        if directory.address(pod).is_some() {
            return Err(AddressProblem::Twice(pod.clone()));
        }
        let channel = channel(address, &ChannelOptions::default())?;
        let replica = Arc::new(RemoteReplica::new(channel, Limits::largest()));
        directory = directory.with(pod, address, replica);
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_flag_has_help_and_a_safe_environment_variable() {
        quorate_runtime::args::assert_environment_names(CoordinatorArgs::command());
    }

    #[test]
    fn a_connection_has_an_age_of_a_second_at_least() {
        assert_eq!(connection_age("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(connection_age("10m"), Ok(Duration::from_secs(600)));
        let short = connection_age("999ms").unwrap_err();
        assert_eq!(short, "it is at least 1s");
        assert!(connection_age("ten").is_err());
    }

    #[test]
    fn replicas_are_listed_or_found_by_kubernetes() {
        let parse = |flags: &str| {
            let flags = flags.split_whitespace();
            let program = ["quorate-coordinator"].into_iter();
            let args = <CoordinatorArgs as clap::Parser>::try_parse_from(program.chain(flags));
            args.map_err(|error| error.kind())
        };
        use clap::error::ErrorKind;
        let objects = "--statefulset s --service v --config-map c --lease l";
        let args = parse(&format!("--kubernetes {objects} --bootstrap")).unwrap();
        assert_eq!(args.kubernetes.objects().unwrap().stateful_set, "s");
        let listed = parse("--replica a=127.0.0.1:7401").unwrap();
        assert!(listed.kubernetes.objects().is_none());
        for (flags, expected) in [
            ("", ErrorKind::MissingRequiredArgument),
            ("--kubernetes", ErrorKind::MissingRequiredArgument),
            (
                "--kubernetes --statefulset s --service v --lease l",
                ErrorKind::MissingRequiredArgument,
            ),
            (
                "--replica a=127.0.0.1:7401 --bootstrap",
                ErrorKind::MissingRequiredArgument,
            ),
        ] {
            assert_eq!(parse(flags).unwrap_err(), expected, "{flags}");
        }
        let both = parse(&format!(
            "--kubernetes {objects} --replica a=127.0.0.1:7401"
        ));
        assert_eq!(both.unwrap_err(), ErrorKind::ArgumentConflict);
    }

    #[test]
    fn what_counts_as_slow_is_bounded() {
        assert_eq!(slow_operation("60s"), Ok(MAX_TIMEOUT));
        for text in ["0s", "61s", "1", "slow"] {
            assert!(slow_operation(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_replica_has_a_name_and_an_address() {
        let parsed: ReplicaAddress = "a=127.0.0.1:7401".parse().unwrap();
        assert_eq!(
            (parsed.pod.as_str(), parsed.address.as_str()),
            ("a", "127.0.0.1:7401")
        );
        for text in ["", "a", "a=", "=127.0.0.1:7401", "a=127.0.0.1"] {
            assert!(text.parse::<ReplicaAddress>().is_err(), "{text}");
        }
    }
}
