//! What is explored: who there is, and what may happen to them.

use crate::Replicas;

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Writes a value of its own.
    Set,
    /// Reads.
    Get,
}

/// A small world. Every interleaving of everything that it allows is explored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What it is called in tables.
    pub name: &'static str,
    /// The first config's group, whose members hold it in the beginning.
    pub first: Replicas,
    /// The groups a change may lead to.
    pub targets: &'static [Replicas],
    /// How many coordinators drive changes, at most 2. Each may stop for ever anywhere.
    pub drivers: u8,
    /// Configs beyond this epoch are not made.
    pub last_epoch: u64,
    /// Whether a change may be given up.
    pub aborts: bool,
    /// The clients' operations, each on a coordinator of its own, which may begin any time and
    /// stop for ever anywhere. Sets first.
    pub operations: &'static [Kind],
    /// How often the object goes back to an older content.
    pub rollbacks: u8,
    /// How many disks are lost: wiped, or replaced by an old copy.
    pub losses: u8,
    /// How often a process crashes; meaningful with `unsynced`.
    pub crashes: u8,
    /// Whether what is stored, and what is synced, is told apart. Without it a store syncs at
    /// once, which the protocol makes indistinguishable.
    pub unsynced: bool,
    /// Whether a write may be carried out and its acknowledgement lost.
    pub lost_answers: bool,
    /// Whether replicas that were left out are told to go.
    pub retires: bool,
}

/// The worlds in which planted bugs are hunted: each as small as the bug allows.
impl Scenario {
    /// Three replicas, no change.
    pub const STATIC: Self = Self {
        name: "3 static",
        first: 0b00111,
        targets: &[],
        drivers: 0,
        last_epoch: 1,
        aborts: false,
        operations: &[Kind::Set, Kind::Get, Kind::Get],
        rollbacks: 0,
        losses: 0,
        crashes: 0,
        unsynced: false,
        lost_answers: true,
        retires: false,
    };
    /// The same with two writers.
    pub const STATIC_TWO_SETS: Self = Self {
        name: "3 static, two Sets",
        operations: &[Kind::Set, Kind::Set, Kind::Get],
        ..Self::STATIC
    };
    /// What a value that comes back needs.
    pub const STATIC_REPICK: Self = Self {
        name: "3 static, two Sets and two Gets",
        operations: &[Kind::Set, Kind::Set, Kind::Get, Kind::Get],
        lost_answers: false,
        ..Self::STATIC
    };
    /// A disk is lost.
    pub const STATIC_LOSS: Self = Self {
        name: "3 static, a lost disk",
        losses: 1,
        ..Self::STATIC
    };
    /// Processes crash before they sync.
    pub const STATIC_CRASH: Self = Self {
        name: "3 static, crashes",
        crashes: 2,
        unsynced: true,
        ..Self::STATIC
    };
    /// The same with two writers.
    pub const STATIC_CRASH_TWO_SETS: Self = Self {
        name: "3 static, two Sets, crashes",
        operations: &[Kind::Set, Kind::Set, Kind::Get],
        ..Self::STATIC_CRASH
    };
    /// One replica is replaced by another.
    pub const ONE_TO_ONE: Self = Self {
        name: "1 -> 1",
        first: 0b00001,
        targets: &[0b00010],
        drivers: 1,
        last_epoch: 3,
        operations: &[Kind::Set, Kind::Get],
        retires: true,
        ..Self::STATIC
    };
    /// The same with two readers.
    pub const ONE_TO_ONE_READS: Self = Self {
        name: "1 -> 1, two Gets",
        operations: &[Kind::Set, Kind::Get, Kind::Get],
        ..Self::ONE_TO_ONE
    };
    /// The same with crashes.
    pub const ONE_TO_ONE_CRASH: Self = Self {
        name: "1 -> 1, crashes",
        crashes: 2,
        unsynced: true,
        ..Self::ONE_TO_ONE
    };
    /// The change may be given up, by another driver too.
    pub const ONE_TO_ONE_ABORT: Self = Self {
        name: "1 -> 1, abort",
        drivers: 2,
        aborts: true,
        operations: &[Kind::Set, Kind::Get, Kind::Get],
        ..Self::ONE_TO_ONE
    };
    /// A change is given up, and another one follows.
    pub const ONE_TO_ONE_TWICE: Self = Self {
        name: "1 -> 1 given up, then 1 -> 1",
        targets: &[0b00010, 0b00100],
        drivers: 2,
        last_epoch: 5,
        aborts: true,
        lost_answers: false,
        retires: false,
        ..Self::ONE_TO_ONE
    };
    /// The object goes back, and two drivers want two things.
    pub const ONE_TO_ONE_ROLLBACK: Self = Self {
        name: "1 -> 1, abort, rolled-back object",
        targets: &[0b00010, 0b00100],
        drivers: 2,
        aborts: true,
        rollbacks: 1,
        ..Self::ONE_TO_ONE
    };
    /// The same, smaller: two branches are all that is needed.
    pub const ONE_TO_ONE_BRANCHES: Self = Self {
        name: "1 -> 1, two branches",
        lost_answers: false,
        retires: false,
        ..Self::ONE_TO_ONE_ROLLBACK
    };
    /// One replica becomes two.
    pub const ONE_TO_TWO: Self = Self {
        name: "1 -> 2",
        targets: &[0b00011],
        ..Self::ONE_TO_ONE
    };
    /// One replica becomes three: a majority of all is none of the first group.
    pub const ONE_TO_THREE: Self = Self {
        name: "1 -> 3",
        targets: &[0b00111],
        lost_answers: false,
        ..Self::ONE_TO_ONE
    };
    /// One replica of three is replaced.
    pub const SWAP: Self = Self {
        name: "3 -> 3, one swapped",
        first: 0b00111,
        targets: &[0b01110],
        lost_answers: false,
        ..Self::ONE_TO_ONE
    };
}

/// What the right protocol is explored in.
impl Scenario {
    /// Every scenario that is explored in every test run: within a minute or two.
    pub const ALL: &[Self] = &[
        Self::STATIC,
        Self::STATIC_TWO_SETS,
        Self::STATIC_LOSS,
        Self::STATIC_CRASH,
        Self::ONE_TO_ONE,
        Self::ONE_TO_ONE_READS,
        Self::ONE_TO_ONE_CRASH,
        Self::ONE_TO_ONE_ABORT,
        Self::ONE_TO_ONE_TWICE,
        Self::ONE_TO_ONE_ROLLBACK,
        Self::ONE_TO_TWO,
        Self::ONE_TO_TWO_ABORT,
        Self::ONE_TO_TWO_ROLLBACK,
        Self::ONE_TO_THREE,
        Self::SWAP,
        Self::SWAP_ABORT,
        Self::SWAP_ROLLBACK,
        Self::SWAP_LOSS,
    ];

    /// The change may be given up.
    pub const ONE_TO_TWO_ABORT: Self = Self {
        name: "1 -> 2, abort",
        aborts: true,
        ..Self::ONE_TO_TWO
    };
    /// The object goes back.
    pub const ONE_TO_TWO_ROLLBACK: Self = Self {
        name: "1 -> 2, abort, rolled-back object",
        rollbacks: 1,
        lost_answers: false,
        ..Self::ONE_TO_TWO_ABORT
    };
    /// The change may be given up.
    pub const SWAP_ABORT: Self = Self {
        name: "3 -> 3, one swapped, abort",
        aborts: true,
        ..Self::SWAP
    };
    /// The object goes back.
    pub const SWAP_ROLLBACK: Self = Self {
        name: "3 -> 3, one swapped, rolled-back object",
        rollbacks: 1,
        retires: false,
        ..Self::SWAP_ABORT
    };
    /// A disk is lost while a member is replaced.
    pub const SWAP_LOSS: Self = Self {
        name: "3 -> 3, one swapped, a lost disk",
        losses: 1,
        ..Self::SWAP
    };
}
