//! What a run is like: everything follows from its seed.

mod draw;

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use quorate_coordinator::QuorumOptions;
use quorate_coordinator::reconfiguration::ReconfigurationOptions;
use quorate_coordinator::repair::RepairOptions;
use quorate_replica::CommitLimits;
use quorate_workload::{Abandon, Workload};

use crate::faults::FaultKind;

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Anything, each run something else: [`Settings::of`].
    Any,
    /// The members change all the time: [`Settings::changing`].
    Changing,
    /// The same, and some requests are carried out late: [`Settings::lagging`].
    Lagging,
}

impl Scenario {
    /// The run of a seed.
    pub fn settings(self, seed: u64) -> Settings {
        match self {
            Self::Any => Settings::of(seed),
            Self::Changing => Settings::changing(seed),
            Self::Lagging => Settings::lagging(seed),
        }
    }

    /// What the variable `SIMULATION_SCENARIO` says; without it, anything.
    ///
    /// # Errors
    /// With the text that is no scenario.
    pub fn named(text: Option<&str>) -> Result<Self, String> {
        match text {
            None | Some("any") => Ok(Self::Any),
            Some("changing") => Ok(Self::Changing),
            Some("lagging") => Ok(Self::Lagging),
            Some(other) => Err(format!(
                "SIMULATION_SCENARIO is {other:?}, and not any, changing or lagging"
            )),
        }
    }

    /// What names it on a command line, with a space behind; nothing for anything.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Changing => "SIMULATION_SCENARIO=changing ",
            Self::Lagging => "SIMULATION_SCENARIO=lagging ",
        }
    }
}

/// A run before it begins.
///
/// Runs differ much from each other on purpose: each has only some of the faults, and its
/// own sizes and limits. A run with all of them would rarely get far enough into any.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The number all randomness of the run follows from.
    pub seed: u64,
    /// What kind of run it is.
    pub scenario: Scenario,
    /// How many replicas the first config has.
    pub replicas: usize,
    /// How many more there are, which may join, if members change.
    pub spare: usize,
    /// When and how members change; `None` when they never do.
    pub changes: Option<ReconfigurationOptions>,
    /// How many coordinators there are.
    pub coordinators: usize,
    /// Whether coordinators ask replicas on exchanges, and not call by call.
    pub exchanges: bool,
    /// How many clients there are; each makes one call at a time.
    pub clients: u64,
    /// How many calls they make together while faults happen.
    pub operations: u64,
    /// What they ask for.
    pub workload: Workload,
    /// What each call is given as its timeout.
    pub client_timeout: Duration,
    /// Calls that are abandoned on purpose.
    pub abandon: Option<Abandon>,
    /// How quorum calls are made.
    pub quorum: QuorumOptions,
    /// How many operations a coordinator admits at once.
    pub operations_in_flight: usize,
    /// How coordinators repair members, if they do.
    pub repair: Option<RepairOptions>,
    /// Whether boots are counted, so that no replica serves before a coordinator admitted it.
    pub boots_counted: bool,
    /// How long a coordinator that starts waits for each replica.
    pub find_limit: Duration,
    /// Limits of the replicas' commit queues.
    pub commit: CommitLimits,
    /// For how many keys a replica remembers the timestamp.
    pub cached_timestamps: usize,
    /// How long a sync takes, in milliseconds; drawn anew for each write that arrives.
    pub sync_ms: RangeInclusive<u64>,
    /// What messages suffer.
    pub weather: Weather,
    /// What is carried out late, if anything.
    pub lags: Option<Lags>,
    /// What machines suffer.
    pub faults: FaultSettings,
}

impl Settings {
    /// How many replicas there are, members or not.
    pub fn all_replicas(&self) -> usize {
        self.replicas + self.spare
    }
}

/// What happens to messages on their way, until the run heals.
#[derive(Debug, Clone, PartialEq)]
pub struct Weather {
    /// How long a message takes at most on an ordinary link, in milliseconds. Each link and
    /// direction draws its own from zero to this.
    pub usual_ms: u64,
    /// The share of messages that take longer, up to `slow_ms`, and are overtaken.
    pub slow: f64,
    /// How long such a message takes at most, in milliseconds.
    pub slow_ms: u64,
    /// The share of messages that are lost.
    pub lost: f64,
    /// The share of requests that arrive twice.
    pub duplicated: f64,
    /// The share of abandoned requests whose abandonment reaches the other end.
    pub cancelled: f64,
}

/// Kinds of requests that some replica carries out late in the whole run: what is rare in a window
/// that is narrow becomes usual.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lags {
    /// Of the kinds of each replica, the share that is late.
    pub share: f64,
    /// How late a request is at most, in milliseconds; drawn anew for each.
    pub most_ms: u64,
}

/// Which faults happen, and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultSettings {
    /// The kinds that happen, each alike.
    pub kinds: Vec<FaultKind>,
    /// How long nothing new happens between two faults, in milliseconds.
    pub every_ms: RangeInclusive<u64>,
    /// How long a fault lasts, in milliseconds.
    pub lasts_ms: RangeInclusive<u64>,
    /// Whether they begin before the first config is made.
    pub from_the_start: bool,
}

/// The settings in a few lines, with which each trace begins.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            replicas,
            spare,
            coordinators,
            exchanges,
            clients,
            operations,
            ..
        } = self;
        writeln!(
            f,
            "seed {seed}: {replicas} replicas, {spare} spare ones, {coordinators} coordinators, {clients} clients, {operations} operations, exchanges: {exchanges}"
        )?;
        writeln!(f, "{:?}", self.workload)?;
        writeln!(
            f,
            "client timeout {:?}, {:?}",
            self.client_timeout, self.abandon
        )?;
        writeln!(f, "{:?}", self.quorum)?;
        writeln!(
            f,
            "coordinators: {} operations at most, {:?} to find the config",
            self.operations_in_flight, self.find_limit
        )?;
        writeln!(f, "{:?}", self.repair)?;
        writeln!(f, "boots counted: {}", self.boots_counted)?;
        writeln!(
            f,
            "replicas: {:?}, {} cached timestamps, syncs of {:?} ms",
            self.commit, self.cached_timestamps, self.sync_ms
        )?;
        writeln!(f, "{:?}", self.changes)?;
        writeln!(f, "{:?}, {:?}", self.weather, self.lags)?;
        writeln!(f, "{:?}", self.faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_run_and_another_seed_another() {
        let text = |seed| {
            Settings::of(seed)
                .to_string()
                .replace(&seed.to_string(), "")
        };
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn every_fault_kind_is_in_some_run_and_some_run_has_none() {
        let runs: Vec<_> = (0..200).map(Settings::of).collect();
        for kind in FaultKind::ALL {
            let has = |run: &&Settings| run.faults.kinds.contains(kind);
            assert!(runs.iter().filter(has).count() > 20, "{kind:?}");
        }
        assert!(runs.iter().any(|run| run.faults.kinds.is_empty()));
    }
}
