//! Judges a run over HTTP/2 when nothing is under way any more.

use std::sync::Arc;

use quorate_coordinator::Violations;
use quorate_register::Timestamp;
use quorate_workload::{History, Limits, Outcome, Verdict, check, check_versions};

use super::machines::ReplicaMachine;
use crate::FIRST_PATIENT_CLIENT;
use crate::invariant::{Broken, Invariant};

/// What is broken.
pub(super) fn judge(
    history: &History,
    replicas: &[Arc<ReplicaMachine>],
    coordinators: &[Violations],
) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut note = |invariant, finding| broken.push(Broken { invariant, finding });
    let report = check(history, Limits::default());
    if report.verdict != Verdict::Linearizable {
        note(Invariant::Linearizable, report.to_string());
    }
    if let Err(disorder) = check_versions(history) {
        note(Invariant::VersionsInOrder, disorder.to_string());
    }
    for operation in &history.operations {
        let completed = operation.outcome == Outcome::Ok;
        if operation.client >= FIRST_PATIENT_CLIENT && !completed {
            let finding = format!("after all is healed an operation fails: {operation:?}");
            note(Invariant::Liveness, finding);
        }
        let version = operation.version.filter(|_| completed);
        let timestamp = version.map_or(Timestamp::ZERO, |version| version.0);
        let has = |replica: &&Arc<ReplicaMachine>| {
            let pairs = replica.disk.pairs();
            let mut of_key = pairs.iter().filter(|(key, _)| *key == operation.key);
            of_key.any(|(_, pair)| pair.timestamp >= timestamp)
        };
        let stored = replicas.iter().filter(has).count();
        if timestamp != Timestamp::ZERO && stored <= replicas.len() / 2 {
            let finding = format!("{stored} disks have what this returned: {operation:?}");
            note(Invariant::StoredByMajority, finding);
        }
    }
    for replica in replicas {
        let metrics = replica.metrics.lock();
        let violations: u64 = metrics.iter().map(|metrics| metrics.violations()).sum();
        if violations > 0 {
            let finding = format!("{} counted {violations}", replica.pod);
            note(Invariant::NoViolationCounted, finding);
        }
    }
    let violations: u64 = coordinators.iter().map(Violations::total).sum();
    if violations > 0 {
        let finding = format!("coordinators counted {violations}");
        note(Invariant::NoViolationCounted, finding);
    }
    broken.truncate(MOST_FINDINGS);
    broken
}

/// A run that is broken once is often broken in many places: the first few say enough.
const MOST_FINDINGS: usize = 6;
