//! What every run must keep.

use std::fmt;

/// A promise that a run can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// What clients saw is linearizable.
    Linearizable,
    /// Of two operations in order the later has the larger version, strictly if it writes; one
    /// version stands for one value and one write.
    VersionsInOrder,
    /// When an operation completes, a majority of disks has its pair or a later one, synced,
    /// and at the end too.
    StoredByMajority,
    /// One timestamp has one value on every disk.
    OneValuePerTimestamp,
    /// Neither a key's timestamp on a disk nor the disk's config ever goes back.
    DisksNeverGoBack,
    /// When a change of the members ends, whatever completed before is on a majority of the disks
    /// that are left.
    CoveredAtFinish,
    /// No process counted a violation.
    NoViolationCounted,
    /// A wiped disk takes part in nothing.
    StrangersStayOut,
    /// Once everything is healed, every operation completes.
    Liveness,
    /// Once everything is done, no operation, attempt, message or task is left.
    NothingLeft,
    /// Nothing panics.
    NoPanic,
}

impl Invariant {
    /// Its name in a few words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linearizable => "linearizable",
            Self::VersionsInOrder => "versions in order",
            Self::StoredByMajority => "stored by a majority",
            Self::OneValuePerTimestamp => "one value per timestamp",
            Self::DisksNeverGoBack => "disks never go back",
            Self::CoveredAtFinish => "covered at finish",
            Self::NoViolationCounted => "no violation counted",
            Self::StrangersStayOut => "strangers stay out",
            Self::Liveness => "liveness",
            Self::NothingLeft => "nothing left",
            Self::NoPanic => "no panic",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A broken [`Invariant`], and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// What was found.
    pub finding: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.finding)
    }
}
