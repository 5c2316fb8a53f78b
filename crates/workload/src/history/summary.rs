//! Counts over a history.

use super::{Action, Operation, Outcome};

/// How often a kind of operation ended in which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Took effect.
    pub ok: u64,
    /// Without effect.
    pub fail: u64,
    /// Perhaps with effect.
    pub unknown: u64,
}

impl Counts {
    /// However they ended.
    pub const fn total(self) -> u64 {
        self.ok + self.fail + self.unknown
    }
}

/// How the operations of a history ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// The gets.
    pub gets: Counts,
    /// The sets.
    pub sets: Counts,
    /// The deletes.
    pub deletes: Counts,
}

impl Summary {
    pub(super) fn of(operations: &[Operation]) -> Self {
        let mut summary = Self::default();
        for operation in operations {
            let counts = match operation.action {
                Action::Get(_) => &mut summary.gets,
                Action::Set(_) => &mut summary.sets,
                Action::Delete => &mut summary.deletes,
            };
            match operation.outcome {
                Outcome::Ok => counts.ok += 1,
                Outcome::Fail => counts.fail += 1,
                Outcome::Unknown => counts.unknown += 1,
            }
        }
        summary
    }

    /// All operations, however they ended.
    pub const fn total(self) -> u64 {
        self.gets.total() + self.sets.total() + self.deletes.total()
    }
}
