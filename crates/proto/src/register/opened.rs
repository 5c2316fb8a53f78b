//! What is noted about a call when its headers arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_register::{Applied, OperationError, Reason};

use crate::deadline::Deadline;

/// A call's deadline, and whether it was handed to the register; clones share that.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    deadline: Deadline,
    begun: Arc<AtomicBool>,
}

impl Opened {
    pub(super) fn new(deadline: Deadline) -> Self {
        Self {
            deadline,
            begun: Arc::default(),
        }
    }

    /// How long the register may take.
    ///
    /// # Errors
    /// When that is no time at all.
    pub(super) fn left(&self) -> Result<Duration, OperationError> {
        let left = self.deadline.left_for_work();
        if left.is_zero() {
            // Nothing that writes has begun: that is what this is asked for.
            return Err(self.time_is_up(false));
        }
        Ok(left)
    }

    /// The same for an operation that is handed to the register now. That of a write has an
    /// unknown outcome from here on.
    ///
    /// # Errors
    /// As [`Self::left`]; then the operation must not begin.
    pub(super) fn begin(&self) -> Result<Duration, OperationError> {
        let left = self.left()?;
        self.begun.store(true, Ordering::Release);
        Ok(left)
    }

    /// Whether the register was handed the operation.
    pub(super) fn begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// The error of a call that ended by its deadline.
    pub(super) fn time_is_up(&self, writes: bool) -> OperationError {
        let message = format!("no answer within {:?}", self.deadline.timeout());
        let applied = match writes && self.begun() {
            true => Applied::Maybe,
            false => Applied::No,
        };
        OperationError {
            applied,
            ..OperationError::not_applied(Reason::DeadlineExceeded, message)
        }
    }
}
