//! One state of a small world.

use crate::configs::{ConfigIndex, ConfigSet};
use crate::pair::Pair;
use crate::{MAX_REPLICAS, Replicas};

/// The most operations of a scenario.
pub const MAX_OPERATIONS: usize = 5;

/// The most writes that are on their way and that nobody waits for.
pub const MAX_LATE: usize = 12;

/// No config, or no content read.
pub const NONE: ConfigIndex = ConfigIndex::MAX;

/// A disk and the process on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Replica {
    /// The synced pair.
    pub pair: Pair,
    /// A larger pair that is stored and not synced yet, or unwritten.
    pub queued: Pair,
    /// The config it serves under: its sealed epoch.
    pub held: ConfigIndex,
    /// The config that is synced; differs only where a planted bug lets it.
    pub synced_config: ConfigIndex,
    /// Wiped, lost or set aside: the id never answers again. A wiped disk would be another
    /// replica. What it had is kept, because its earlier answers still count.
    pub gone: bool,
}

/// How far an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not begun.
    Waiting,
    /// In phase one.
    Reading,
    /// In phase two.
    Writing,
    /// It ended, with `pair`.
    Done,
}

/// A client's operation on its coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operation {
    /// How far it is.
    pub phase: Phase,
    /// The config of the round.
    pub config: ConfigIndex,
    /// Whose answers count in this round.
    pub answered: Replicas,
    /// Phase one of a Get: who reported `pair`.
    pub reporters: Replicas,
    /// Phase one: the largest so far; afterwards, what is written or was returned.
    pub pair: Pair,
    /// The operations that were done before it began.
    pub before: u8,
    /// Replicas whose fence let it pass earlier; only where a planted bug forgets to look again.
    pub passed: Replicas,
}

/// A write on its way that nobody waits for: of a round that was left, or of an operation that is
/// done. It may be carried out at each member, any number of times, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Late {
    /// What.
    pub pair: Pair,
    /// Under which config.
    pub config: ConfigIndex,
}

/// A coordinator that drives changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Driver {
    /// The content of the object that it read, or [`NONE`].
    pub content: ConfigIndex,
    /// Whether the object still has the version that was read, so that a swap succeeds.
    pub current: bool,
    /// Whom it scanned under a joint config.
    pub scanned: Replicas,
    /// The largest pair of the scans.
    pub pair: Pair,
    /// Who of the next group acknowledged that pair.
    pub acknowledged: Replicas,
}

/// What may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Rollbacks of the object.
    pub rollbacks: u8,
    /// Lost disks.
    pub losses: u8,
    /// Crashes.
    pub crashes: u8,
}

/// Everything that decides what can happen next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// By index.
    pub replicas: [Replica; MAX_REPLICAS],
    /// By index; those beyond the scenario's wait for ever.
    pub operations: [Operation; MAX_OPERATIONS],
    /// By index.
    pub drivers: [Driver; 2],
    /// Sorted, without repeats, filled up with [`Late::NONE`].
    pub late: [Late; MAX_LATE],
    /// The content of the config object.
    pub object: ConfigIndex,
    /// What was ever its content: only such configs are offered to replicas.
    pub agreed: ConfigSet,
    /// What was ever active, as a fact at the replicas that anybody can prove.
    pub active: ConfigSet,
    /// What may still go wrong.
    pub budget: Budget,
}

impl Late {
    /// No write.
    pub const NONE: Self = Self {
        pair: Pair::UNWRITTEN,
        config: NONE,
    };
}

impl Operation {
    /// One that has not begun.
    pub const WAITING: Self = Self {
        phase: Phase::Waiting,
        config: 0,
        answered: 0,
        reporters: 0,
        pair: Pair::UNWRITTEN,
        before: 0,
        passed: 0,
    };
}

impl Driver {
    /// One that knows nothing, as after a start.
    pub const IDLE: Self = Self {
        content: NONE,
        current: false,
        scanned: 0,
        pair: Pair::UNWRITTEN,
        acknowledged: 0,
    };

    /// One that just read the object.
    pub fn reading(content: ConfigIndex) -> Self {
        Self {
            content,
            current: true,
            ..Self::IDLE
        }
    }
}

impl State {
    /// The members of the first config hold it, and it is active.
    pub fn initial(members: Replicas, budget: Budget) -> Self {
        let replica = |index: usize| {
            let held = if members >> index & 1 == 1 { 0 } else { NONE };
            Replica {
                pair: Pair::UNWRITTEN,
                queued: Pair::UNWRITTEN,
                held,
                synced_config: held,
                gone: false,
            }
        };
        Self {
            replicas: std::array::from_fn(replica),
            operations: [Operation::WAITING; MAX_OPERATIONS],
            drivers: [Driver::IDLE; 2],
            late: [Late::NONE; MAX_LATE],
            object: 0,
            agreed: 1,
            active: 1,
            budget,
        }
    }

    /// The operations that are done.
    pub fn done(&self) -> u8 {
        let operations = self.operations.iter().enumerate();
        let done = operations.filter(|(_, operation)| operation.phase == Phase::Done);
        done.fold(0, |set, (index, _)| set | 1 << index)
    }

    /// The replicas that `test` accepts.
    pub fn replicas_that(&self, test: impl Fn(&Replica) -> bool) -> Replicas {
        let replicas = self.replicas.iter().enumerate();
        let accepted = replicas.filter(|(_, replica)| test(replica));
        accepted.fold(0, |set, (index, _)| set | 1 << index)
    }

    /// Puts a write on its way that nobody waits for.
    ///
    /// # Panics
    /// When there are more than [`MAX_LATE`]: none is ever dropped silently.
    pub fn send_late(&mut self, late: Late) {
        if late.pair.is_unwritten() || self.late.contains(&late) {
            return;
        }
        let last = self.late.len() - 1;
        assert!(self.late[last] == Late::NONE, "room for every late write");
        self.late[last] = late;
        self.sort_late();
    }

    /// Takes back late writes that can have no effect any more.
    pub fn forget_late(&mut self, without_effect: impl Fn(&Self, Late) -> bool) {
        for index in 0..self.late.len() {
            let late = self.late[index];
            if late != Late::NONE && without_effect(self, late) {
                self.late[index] = Late::NONE;
            }
        }
        self.sort_late();
    }

    fn sort_late(&mut self) {
        self.late
            .sort_unstable_by_key(|late| (*late == Late::NONE, *late));
    }
}
