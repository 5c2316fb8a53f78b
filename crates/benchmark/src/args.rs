//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use quorate_runtime::args::duration;

use crate::cell;
use crate::etcd::EtcdTarget;
use crate::findings::Study;
use crate::quorate::MAX_COORDINATORS;

/// The fewest keys that zipf cells make sense with.
const MIN_MANY_KEYS: i64 = 1000;
/// The most keys; each takes memory here too.
const MAX_MANY_KEYS: i64 = 10_000_000;

/// Quorate and etcd side by side on this machine, as real processes, both driven by the same
/// generator, in turns.
#[derive(Debug, Clone, clap::Parser)]
// The recipe gives some flags, and what is typed behind it is to override them.
#[command(name = "bench-etcd", version, args_override_self = true)]
pub(crate) struct Args {
    /// The program etcd: a file, or a name on the PATH.
    #[arg(long, value_name = "FILE", default_value = "etcd")]
    pub(crate) etcd: PathBuf,

    /// The folder with the programs quorate, quorate-replica and quorate-coordinator; the
    /// folder of this program, if not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) quorate_dir: Option<PathBuf>,

    /// A folder on the disk to measure with; data go to a new folder in it, which is removed
    /// at the end. The system's folder for temporary files, if not given.
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,

    /// The first of 32 ports to use; any free ones, if not given.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) base_port: Option<u16>,

    /// What to measure, by name, separated by commas; everything, if not given.
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = part())]
    pub(crate) only: Vec<String>,

    /// A short run: 3 rounds of 1 s, and fewer keys. It shows that everything works, not how
    /// fast it is. Each of the flags below overrides its part.
    #[arg(long)]
    pub(crate) quick: bool,

    /// How often each system has a turn per cell [default: 3]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,

    /// How long the load runs before a turn is measured [default: 2s, quick: 300ms]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    warmup: Option<Duration>,

    /// How long a turn is measured [default: 10s, quick: 1s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    duration: Option<Duration>,

    /// How long a system is watched before and after a process is killed, each [default: 10s,
    /// quick: 4s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    kill_window: Option<Duration>,

    /// How many keys the zipf cell and the memory of a replica have [default: 1000000, quick:
    /// 20000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(MIN_MANY_KEYS..=MAX_MANY_KEYS))]
    many_keys: Option<u32>,

    /// Operations per second of the open loop; half of what the slower system does with 64 in
    /// flight, if not given.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: Option<u32>,

    /// How many HTTP/2 connections the operations in flight are spread over.
    #[arg(long, value_name = "COUNT", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) connections: u16,

    /// How many coordinators there are.
    #[arg(long, value_name = "COUNT", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=MAX_COORDINATORS as i64))]
    pub(crate) coordinators: u8,

    /// Which members of etcd are asked.
    #[arg(long, value_enum, default_value = "leader")]
    pub(crate) etcd_target: EtcdTarget,

    /// How many threads the generator uses; the servers need the other processors.
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) client_threads: u8,

    /// Where to write everything as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Where to draw the ratios, as SVG.
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
}

/// How long everything takes.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Extent {
    pub(crate) rounds: u32,
    #[serde(rename = "warmup_seconds", serialize_with = "seconds")]
    pub(crate) warmup: Duration,
    #[serde(rename = "measured_seconds", serialize_with = "seconds")]
    pub(crate) duration: Duration,
    #[serde(rename = "kill_window_seconds", serialize_with = "seconds")]
    pub(crate) kill_window: Duration,
    pub(crate) many_keys: u32,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

impl Extent {
    const FULL: Self = Self {
        rounds: 3,
        warmup: Duration::from_secs(2),
        duration: Duration::from_secs(10),
        kill_window: Duration::from_secs(10),
        many_keys: 1_000_000,
    };
    const QUICK: Self = Self {
        rounds: 3,
        warmup: Duration::from_millis(300),
        duration: Duration::from_secs(1),
        kill_window: Duration::from_secs(4),
        many_keys: 20_000,
    };
}

impl Args {
    /// How long everything takes.
    pub(crate) fn extent(&self) -> Extent {
        let preset = match self.quick {
            true => Extent::QUICK,
            false => Extent::FULL,
        };
        Extent {
            rounds: self.rounds.unwrap_or(preset.rounds),
            warmup: self.warmup.unwrap_or(preset.warmup),
            duration: self.duration.unwrap_or(preset.duration),
            kill_window: self.kill_window.unwrap_or(preset.kill_window),
            many_keys: self.many_keys.unwrap_or(preset.many_keys),
        }
    }

    /// Whether this part of the run was asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }
}

/// Takes the names of everything that can be measured.
fn part() -> clap::builder::PossibleValuesParser {
    let cells = cell::CELLS.iter().map(|cell| cell.name);
    let studies = Study::ALL.iter().map(|study| study.name());
    cells.chain(studies).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_flag_overrides_its_part_of_the_preset() {
        let extent = |line: &[&str]| {
            let line = ["bench-etcd"].iter().chain(line);
            Args::try_parse_from(line).unwrap().extent()
        };
        assert_eq!(extent(&[]).many_keys, 1_000_000);
        assert_eq!(extent(&["--rounds=4", "--rounds=5"]).rounds, 5);
        let quick = extent(&["--quick", "--duration=5s"]);
        assert_eq!(quick.duration, Duration::from_secs(5));
        assert_eq!(quick.many_keys, 20_000);
    }

    #[test]
    fn parts_are_chosen_by_name() {
        let args = Args::try_parse_from(["bench-etcd", "--only=set-1,kill"]).unwrap();
        assert!(args.wants("set-1") && args.wants("kill") && !args.wants("set-16"));
        assert!(Args::try_parse_from(["bench-etcd", "--only=set-2"]).is_err());
    }
}
