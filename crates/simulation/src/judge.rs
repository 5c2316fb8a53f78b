//! Judges a run while it goes on and at its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_register::{Config, Key, Pair, Timestamp, Version, majority};
use quorate_workload::{History, Limits, Verdict, check, check_versions};

use crate::invariant::{Broken, Invariant};
use crate::replica::ReplicaHost;
use crate::trace::{Short, Trace, shown_key};

/// Collects what is broken. It looks at the disks, which no coordinator can.
pub(crate) struct Judge {
    replicas: Vec<Arc<ReplicaHost>>,
    /// Whether the replicas are the members of the only config. Where members change, what a
    /// majority has is a matter of the config an operation ended under, which is not known here;
    /// then the histories alone judge.
    fixed: bool,
    trace: Trace,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The largest version of a completed operation per key.
    completed: BTreeMap<Key, Timestamp>,
    broken: Vec<Broken>,
}

impl Judge {
    /// A judge over these replicas.
    pub(crate) fn new(replicas: Vec<Arc<ReplicaHost>>, fixed: bool, trace: Trace) -> Self {
        Self {
            replicas,
            fixed,
            trace,
            state: Mutex::default(),
        }
    }

    /// Notes a broken invariant. A run that is broken once is often broken in many places:
    /// the first few say enough.
    pub(crate) fn broken(&self, invariant: Invariant, finding: String) {
        let mut state = self.state.lock();
        let same = state.broken.iter().filter(|b| b.invariant == invariant);
        if same.count() < MOST_OF_A_KIND {
            let broken = Broken { invariant, finding };
            let text = format_args!("!!! {broken}");
            self.trace.event("invariant broken", text);
            state.broken.push(broken);
        }
    }

    /// Whether any operation completed yet.
    pub(crate) fn anything_completed(&self) -> bool {
        !self.state.lock().completed.is_empty()
    }

    /// Everything noted.
    pub(crate) fn findings(&self) -> Vec<Broken> {
        self.state.lock().broken.clone()
    }

    /// An operation completes now: its pair, or a later one, is synced at a majority, whether
    /// it wrote it, wrote it back, or took the fast path because a majority had it.
    pub(crate) fn completed(&self, coordinator: &str, key: &Key, version: Version) {
        let timestamp = version.0;
        let has = |replica: &&Arc<ReplicaHost>| replica.disk().has_or_had(key, timestamp);
        let stored = self.replicas.iter().filter(has).count();
        if self.fixed && timestamp != Timestamp::ZERO && stored < self.majority() {
            let (key, timestamp) = (shown_key(key), Short(timestamp));
            let (needed, of) = (self.majority(), self.replicas.len());
            let finding = format!(
                "{coordinator} completes an operation on {key} at {timestamp}, which {stored} of {of} disks have; needed {needed}"
            );
            self.broken(Invariant::StoredByMajority, finding);
        }
        let mut state = self.state.lock();
        let largest = state.completed.entry(key.clone()).or_default();
        *largest = timestamp.max(*largest);
    }

    /// A change ends with this config: its members alone decide, so a majority of them has whatever
    /// completed. A member whose disk was wiped meanwhile is not held to account.
    pub(crate) fn finished(&self, config: &Config) {
        let members = &config.parts().current;
        let completed = self.state.lock().completed.clone();
        for (key, timestamp) in completed {
            let lacks = |replica: &&Arc<ReplicaHost>| {
                let id = replica.disk().replica_id();
                let is_member = members.iter().any(|member| member.replica_id == id);
                is_member && !replica.disk().has_or_had(&key, timestamp)
            };
            let lacking = self.replicas.iter().filter(lacks).count();
            let (of, needed) = (members.len(), majority(members.len()));
            if timestamp != Timestamp::ZERO && of - lacking < needed {
                let (key, timestamp) = (shown_key(&key), Short(timestamp));
                let finding = format!(
                    "a change ends where {lacking} of {of} members lack {key} at {timestamp}, which an operation completed"
                );
                self.broken(Invariant::CoveredAtFinish, finding);
            }
        }
    }

    fn majority(&self) -> usize {
        self.replicas.len() / 2 + 1
    }

    /// Judges what the disks have at the end.
    pub(crate) fn judge_disks(&self) {
        if self.fixed {
            self.judge_majorities();
        }
        self.judge_values();
        for replica in &self.replicas {
            let pod = replica.pod();
            replica.disk().observe();
            for what in replica.disk().went_back() {
                let finding = format!("on {pod}'s disk went back {what}");
                self.broken(Invariant::DisksNeverGoBack, finding);
            }
            // A config store that goes back makes them, and they do no harm.
            let violations = replica.violations(self.fixed);
            if violations > 0 {
                let finding = format!("{pod} counted {violations}");
                self.broken(Invariant::NoViolationCounted, finding);
            }
        }
    }

    fn judge_majorities(&self) {
        let wiped = self.replicas.iter().filter(|r| r.disk().was_wiped());
        let needed = self.majority() - wiped.count();
        let completed = self.state.lock().completed.clone();
        for (key, timestamp) in completed {
            let has = |replica: &&Arc<ReplicaHost>| replica.disk().has(&key, timestamp);
            let stored = self.replicas.iter().filter(has).count();
            if timestamp != Timestamp::ZERO && stored < needed {
                let (key, timestamp) = (shown_key(&key), Short(timestamp));
                let finding = format!(
                    "in the end {stored} disks have {key} at {timestamp}, which an operation completed; needed {needed}"
                );
                self.broken(Invariant::StoredByMajority, finding);
            }
        }
    }

    fn judge_values(&self) {
        let mut known: BTreeMap<(Key, Timestamp), Pair> = BTreeMap::new();
        for (key, pair) in self.replicas.iter().flat_map(|r| r.disk().pairs()) {
            let first = known.entry((key.clone(), pair.timestamp));
            let first = first.or_insert_with(|| pair.clone());
            if *first != pair {
                let (key, timestamp) = (shown_key(&key), Short(pair.timestamp));
                let (one, other) = (&first.value, &pair.value);
                let finding = format!("{key} at {timestamp} is {one:?} and {other:?}");
                self.broken(Invariant::OneValuePerTimestamp, finding);
            }
        }
    }

    /// A wiped disk came back under a new id: while members never change, it must hold nothing, unless that rule is the
    /// one that is broken on purpose.
    pub(crate) fn judge_strangers(&self) {
        let wiped = self
            .replicas
            .iter()
            .filter(|r| self.fixed && r.disk().was_wiped());
        for replica in wiped.filter(|replica| replica.disk().is_stranger()) {
            let pairs = replica.disk().pairs().len();
            if replica.disk().config().is_some() || pairs > 0 {
                let pod = replica.pod();
                let finding = format!("{pod} was wiped, and has {pairs} pairs or a config now");
                self.broken(Invariant::StrangersStayOut, finding);
            }
        }
    }

    /// Judges what clients saw.
    pub(crate) fn judge_history(&self, history: &History) {
        let report = check(history, Limits::default());
        if report.verdict != Verdict::Linearizable {
            self.broken(Invariant::Linearizable, report.to_string());
        }
        if let Err(disorder) = check_versions(history) {
            self.broken(Invariant::VersionsInOrder, disorder.to_string());
        }
    }
}

/// So many findings are kept per invariant.
const MOST_OF_A_KIND: usize = 3;
