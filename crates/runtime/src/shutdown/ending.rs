//! How a program ended.

use std::process::{ExitCode, Termination};

use super::Signal;
use crate::exit;

/// How a program ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Ending {
    /// It had nothing more to do, and nobody asked it to end.
    Finished,
    /// After a signal, all calls in flight finished.
    Drained,
    /// After a signal, calls were still in flight at the limit. They were cancelled, and
    /// everything ended.
    Cancelled {
        /// How many tasks of [`Shutdown::calls`](super::Shutdown::calls) there were.
        tasks: usize,
    },
    /// Something did not end although it was cancelled. It is left behind: a bug.
    Abandoned {
        /// How many tasks there were, the role itself included.
        tasks: usize,
    },
    /// A second signal: everything was left behind.
    Forced(Signal),
}

impl Ending {
    /// The exit code of a process that ended like this; see [`exit`].
    pub const fn code(self) -> u8 {
        match self {
            Self::Finished | Self::Drained | Self::Cancelled { .. } => exit::OK,
            Self::Abandoned { .. } => exit::ABANDONED,
            Self::Forced(signal) => exit::FORCED + signal.number(),
        }
    }
}

impl Termination for Ending {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
