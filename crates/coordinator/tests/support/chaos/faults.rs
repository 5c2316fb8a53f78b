//! How the replicas of the chaos misbehave.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::{ChecksumMismatch, ReplicaError, Timestamp};

use super::Trigger;
use crate::support::{Act, Seeded, Seen};

/// How often a replica misbehaves, in percent of its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    hangs: u64,
    stays_silent: u64,
    refuses: u64,
    refuses_finally: u64,
}

impl Trigger {
    pub(crate) fn faults(self) -> Faults {
        let faults = |hangs, stays_silent, refuses, refuses_finally| Faults {
            hangs,
            stays_silent,
            refuses,
            refuses_finally,
        };
        match self {
            Self::Quorum => faults(3, 3, 15, 1),
            Self::Deadline => faults(45, 15, 10, 1),
            Self::Dropped | Self::Stopped => faults(25, 10, 20, 1),
        }
    }
}

/// Whether a request is one of an operation's: only those are ever treated badly.
pub(crate) fn is_of_an_operation(seen: &Seen) -> bool {
    seen.method.starts_with("local_")
}

/// Draws what a replica does with each request of an operation; it serves all others.
pub(crate) fn script(
    faults: Faults,
    pace: Duration,
    random: Arc<Seeded>,
) -> impl FnMut(&Seen) -> Act + Send + 'static {
    move |seen| {
        if !is_of_an_operation(seen) {
            return Act::Serve;
        }
        // First phases fail less often, or few operations would come to their second.
        let of = if seen.method == "local_write" {
            100
        } else {
            300
        };
        let mut drawn = random.below(of);
        let mut falls = |percent| {
            let falls = drawn < percent;
            drawn = drawn.saturating_sub(percent);
            falls
        };
        if falls(faults.hangs) {
            Act::Hang
        } else if falls(faults.stays_silent) {
            Act::ServeSilently
        } else if falls(faults.refuses) {
            Act::Fail(passing(random.below(6)))
        } else if falls(faults.refuses_finally) {
            Act::Fail(lasting(random.below(3)))
        } else {
            Act::ServeAfter(random.time(pace / 4))
        }
    }
}

/// An error after which a replica is asked again.
fn passing(which: u64) -> ReplicaError {
    let problem = String::from("scripted");
    match which {
        0 => ReplicaError::NeedConfig,
        1 => ReplicaError::Overloaded { limit: 1 },
        2 => ReplicaError::Invalid { problem },
        3 => ReplicaError::Conflict {
            timestamp: Timestamp::ZERO,
        },
        4 => ReplicaError::Corrupted(ChecksumMismatch {
            stated: 1,
            computed: 2,
        }),
        _ => ReplicaError::Unreachable { problem },
    }
}

/// An error after which it is not.
fn lasting(which: u64) -> ReplicaError {
    let problem = String::from("scripted");
    match which {
        0 => ReplicaError::WrongReplica { problem },
        1 => ReplicaError::LostDisk { problem },
        _ => ReplicaError::DiskFull {
            free_bytes: 1,
            reserved_bytes: 2,
        },
    }
}
