//! What a change is doing, for people.

use std::time::Duration;

use quorate_register::Epoch;

use super::plan::Blocked;

/// The steps of a change, in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Step {
    /// No change is under way.
    #[default]
    Idle,
    /// The joint config is agreed and being made active.
    Joining,
    /// Everything written before is brought to the next group.
    Transferring,
    /// The next group decides alone; its config is being made active.
    Finishing,
    /// The change is given up; the current group is to decide alone again.
    Aborting,
}

impl Step {
    /// Every one of them.
    pub(super) const ALL: [Self; 5] = [
        Self::Idle,
        Self::Joining,
        Self::Transferring,
        Self::Finishing,
        Self::Aborting,
    ];

    /// The word for it, in metrics, logs and on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Joining => "joining",
            Self::Transferring => "transferring",
            Self::Finishing => "finishing",
            Self::Aborting => "aborting",
        }
    }
}

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The next group decides alone.
    Finished,
    /// It was given up.
    Aborted,
}

impl Ending {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Aborted => "aborted",
        }
    }
}

/// The last change that this coordinator brought to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastChange {
    /// How it ended.
    pub ending: Ending,
    /// The epoch that it ended with.
    pub epoch: Epoch,
    /// Keys transferred.
    pub keys: u64,
    /// How long it took here.
    pub took: Duration,
}

/// What this coordinator does about the membership.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The step it is at.
    pub step: Step,
    /// Why the members are not as they should be.
    pub blocked: Option<Blocked>,
    /// The pods that were members before the change, and that are to be after it.
    pub from: Vec<String>,
    /// See `from`.
    pub to: Vec<String>,
    /// Keys that are at a majority of the next group by now.
    pub keys: u64,
    /// Their bytes, with their values'.
    pub bytes: u64,
    /// How many members are wanted; `None` while nobody knows.
    pub wanted: Option<usize>,
    /// The last change that ended here.
    pub last: Option<LastChange>,
}
