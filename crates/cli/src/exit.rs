//! What the exit code says.

use std::process::{ExitCode, Termination};

/// How the program ended, for scripts. The help of `quorate` lists the codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Exit(u8);

impl Exit {
    /// It did what it was asked to.
    pub const DONE: Self = Self(0);
    /// It failed, and has surely not changed anything in the store.
    pub const FAILED: Self = Self(1);
    /// It was called wrongly, or the store refused an argument.
    pub const USAGE: Self = Self(2);
    /// A write failed, and whether it takes effect is unknown.
    pub const UNKNOWN: Self = Self(3);
    /// `get`: the key has no value.
    pub const NO_VALUE: Self = Self(4);
    /// `verify`: the history is not linearizable.
    pub const VIOLATION: Self = Self(5);
    /// `verify`: whether it is linearizable could not be decided.
    pub const UNDECIDED: Self = Self(6);
    /// `status`: too few members can be reached, or take writes, for every operation to
    /// succeed, or no config is known.
    pub const NO_QUORUM: Self = Self(7);

    /// The exit with this code.
    pub const fn from_code(code: u8) -> Self {
        Self(code)
    }

    /// Its code.
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.0)
    }
}
