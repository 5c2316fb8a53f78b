//! What must hold in every state, and what must be possible in some.

use std::fmt;

/// What must never be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Invariant {
    /// What clients saw has an explanation by operations one after the other.
    Linearizable,
    /// Of two ordered operations the later has the larger timestamp, strictly if it writes.
    TimestampsInOrder,
    /// One timestamp never comes with two values.
    OneValuePerTimestamp,
    /// A replica's epoch never goes back.
    ConfigNeverGoesBack,
    /// Of two active configs one descends from the other.
    ActiveConfigsFormOnePath,
    /// When a change is finished, whatever was done is at a majority of the next group.
    CoveredAtFinish,
    /// Who acknowledged a pair has it, or a larger one, synced.
    AcknowledgedMeansSynced,
    /// A disk that is told to go is in no group of the newest active config.
    OnlyOutsidersRetire,
    /// A write in the background is stored under the config of its round only.
    BackgroundKeepsItsConfig,
}

/// A set of [`Invariant`]s.
pub type Invariants = u16;

impl Invariant {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Linearizable,
        Self::TimestampsInOrder,
        Self::OneValuePerTimestamp,
        Self::ConfigNeverGoesBack,
        Self::ActiveConfigsFormOnePath,
        Self::CoveredAtFinish,
        Self::AcknowledgedMeansSynced,
        Self::OnlyOutsidersRetire,
        Self::BackgroundKeepsItsConfig,
    ];

    /// The set of this one.
    pub const fn bit(self) -> Invariants {
        1 << self as u8
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linearizable => "linearizable",
            Self::TimestampsInOrder => "timestamps in order",
            Self::OneValuePerTimestamp => "one value per timestamp",
            Self::ConfigNeverGoesBack => "a replica's config never goes back",
            Self::ActiveConfigsFormOnePath => "active configs form one path",
            Self::CoveredAtFinish => "covered at a majority of C2 at finish",
            Self::AcknowledgedMeansSynced => "acknowledged means synced",
            Self::OnlyOutsidersRetire => "only outsiders retire",
            Self::BackgroundKeepsItsConfig => "background writes keep their config",
        })
    }
}

/// A set of [`Witness`]es.
pub type Witnesses = u16;

/// What must be possible, so that a model that forbids everything is not taken for a right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Witness {
    /// An operation that began is done under the first config.
    DoneUnderFirst,
    /// One is done under a joint config.
    DoneUnderJoint,
    /// One is done under the config that finished a change.
    DoneUnderFinished,
    /// One is done under the config that gave a change up.
    DoneUnderAborted,
    /// A change is finished and active, and a member of the old group took no part.
    FinishedWithOneDown,
    /// A change is given up, and no member of the next group ever took part.
    AbortedWithoutNext,
    /// A replica that has a larger pair already acknowledges a Set, which is done by that.
    OvertakenSetDone,
    /// The object went back, and what is active was put into it again.
    RollbackRepaired,
    /// A replica that was left out was told to go.
    Retired,
    /// Everything that clients began is done, after a change.
    AllDoneAfterChange,
}

impl Witness {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::DoneUnderFirst,
        Self::DoneUnderJoint,
        Self::DoneUnderFinished,
        Self::DoneUnderAborted,
        Self::FinishedWithOneDown,
        Self::AbortedWithoutNext,
        Self::OvertakenSetDone,
        Self::RollbackRepaired,
        Self::Retired,
        Self::AllDoneAfterChange,
    ];

    /// The set of this one.
    pub const fn bit(self) -> Witnesses {
        1 << self as u8
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DoneUnderFirst => "an operation is done under the first config",
            Self::DoneUnderJoint => "an operation is done under a joint config",
            Self::DoneUnderFinished => "an operation is done after a finish",
            Self::DoneUnderAborted => "an operation is done after an abort",
            Self::FinishedWithOneDown => "a change finishes with a replica down",
            Self::AbortedWithoutNext => "an abort completes with C2 unreachable",
            Self::OvertakenSetDone => "a Set that was overtaken is done",
            Self::RollbackRepaired => "a rolled-back object is repaired",
            Self::Retired => "a replica that was left out is told to go",
            Self::AllDoneAfterChange => "every operation is done, and a change as well",
        })
    }
}
