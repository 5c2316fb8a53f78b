//! How far an operation got: what an error reports when it does not get further.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_register::{Config, MemberSet, ReplicaError, Shortfall};
use tokio::time::Instant;

use super::GivenUp;

/// A half of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Asks a quorum for its pairs or timestamps.
    Read,
    /// Stores a pair at a quorum.
    Write,
}

impl Phase {
    /// Its name in metrics and messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// One operation's progress, written by its rounds and read where the operation ends, which
/// may be outside: at its deadline.
#[derive(Debug)]
pub(crate) struct Progress {
    round: Mutex<Option<RoundProgress>>,
    /// When the last attempt ends.
    deadline: Mutex<Instant>,
    /// Whether the quorum is reached, and what is left goes on in the background.
    over: AtomicBool,
    /// Why attempts that are dropped before their answer are given up.
    given_up: Mutex<GivenUp>,
}

/// The latest round of an operation.
#[derive(Debug, Clone)]
pub(crate) struct RoundProgress {
    pub(crate) phase: Phase,
    pub(crate) config: Arc<Config>,
    /// Who counts for the quorum.
    counted: MemberSet,
    /// The latest failure of each member, by index.
    failures: Vec<Option<ReplicaError>>,
    /// Why the operation waits outside any round.
    pub(crate) obstacle: Option<String>,
}

impl Progress {
    /// That of an operation which ends then at the latest.
    pub(crate) fn new(deadline: Instant) -> Self {
        Self {
            round: Mutex::new(None),
            deadline: Mutex::new(deadline),
            over: AtomicBool::new(false),
            given_up: Mutex::new(GivenUp::Abandoned),
        }
    }

    /// How long an attempt that begins `now` may take at most.
    pub(crate) fn time_left(&self, now: Instant) -> Duration {
        self.deadline.lock().saturating_duration_since(now)
    }

    /// The operation is over, and what it leaves to the background may go on until then.
    pub(crate) fn continue_until(&self, deadline: Instant) {
        *self.deadline.lock() = deadline;
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether nobody waits for the attempts any more.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The attempts under way are about to be dropped, for this reason. Unless somebody says
    /// so it is the caller who abandoned the operation.
    pub(crate) fn give_up(&self, reason: GivenUp) {
        *self.given_up.lock() = reason;
    }

    /// Why attempts are dropped.
    pub(crate) fn given_up(&self) -> GivenUp {
        *self.given_up.lock()
    }

    /// A round begins, in which `counted` count already.
    pub(crate) fn begin(&self, phase: Phase, config: &Arc<Config>, counted: MemberSet) {
        *self.round.lock() = Some(RoundProgress {
            phase,
            config: config.clone(),
            counted,
            failures: vec![None; config.members().len()],
            obstacle: None,
        });
    }

    /// A member counts for the quorum now.
    pub(crate) fn counted(&self, counted: MemberSet) {
        if let Some(round) = &mut *self.round.lock() {
            round.counted = counted;
        }
    }

    /// An attempt at a member failed.
    pub(crate) fn failed(&self, member: usize, error: ReplicaError) {
        if let Some(round) = &mut *self.round.lock() {
            let failure = &mut round.failures[member];
            *failure = Some(match (failure.take(), error) {
                // Of a silent member the whole silence is told, not its last part.
                (
                    Some(ReplicaError::TimedOut { waited: before }),
                    ReplicaError::TimedOut { waited },
                ) => ReplicaError::TimedOut {
                    waited: before + waited,
                },
                (_, error) => error,
            });
        }
    }

    /// The operation waits for something else than answers.
    pub(crate) fn blocked(&self, obstacle: String) {
        if let Some(round) = &mut *self.round.lock() {
            round.obstacle = Some(obstacle);
        }
    }

    /// The latest round, if any began.
    pub(crate) fn latest(&self) -> Option<RoundProgress> {
        self.round.lock().clone()
    }
}

impl RoundProgress {
    /// Who counts for the quorum.
    pub(crate) fn members_counted(&self) -> MemberSet {
        self.counted
    }

    /// How many members do not count because an attempt at them failed.
    pub(crate) fn causes_known(&self) -> usize {
        let failed = |&(index, failure): &(usize, &Option<ReplicaError>)| {
            failure.is_some() && !self.counted.contains(index)
        };
        self.failures.iter().enumerate().filter(failed).count()
    }

    /// Needed and received, per group.
    pub(crate) fn shortfalls(&self) -> Vec<Shortfall> {
        self.config.quorums().shortfalls(self.counted).collect()
    }

    /// The pods that do not count, and what their latest attempt failed with.
    pub(crate) fn causes(&self) -> impl Iterator<Item = (&str, String)> {
        let members = self.config.members().iter().zip(&self.failures).enumerate();
        let missing = members.filter(|&(index, _)| !self.counted.contains(index));
        missing.map(|(_, (member, failure))| {
            let cause = match failure {
                Some(error) => error.to_string(),
                None => "no answer yet".to_owned(),
            };
            (member.pod.as_str(), cause)
        })
    }
}
