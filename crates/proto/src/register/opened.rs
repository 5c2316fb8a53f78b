//! What is noted about a call when its headers arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_register::{Applied, OperationError, Reason};

use crate::deadline::Deadline;

/// A call's deadline, and whether a write was handed to the register; clones share that.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    deadline: Deadline,
    writing: Arc<AtomicBool>,
}

impl Opened {
    pub(super) fn new(deadline: Deadline) -> Self {
        Self {
            deadline,
            writing: Arc::default(),
        }
    }

    /// How long the register may take.
    ///
    /// # Errors
    /// When that is no time at all.
    pub(super) fn left(&self) -> Result<Duration, OperationError> {
        let left = self.deadline.left_for_work();
        if left.is_zero() {
            return Err(self.time_is_up());
        }
        Ok(left)
    }

    /// The same for a write, whose outcome is unknown from here on.
    ///
    /// # Errors
    /// As [`Self::left`]; then the write must not begin.
    pub(super) fn begin_write(&self) -> Result<Duration, OperationError> {
        let left = self.left()?;
        self.writing.store(true, Ordering::Release);
        Ok(left)
    }

    /// The error of a call that ended by its deadline.
    pub(super) fn time_is_up(&self) -> OperationError {
        let message = format!("no answer within {:?}", self.deadline.timeout());
        let applied = if self.writing.load(Ordering::Acquire) {
            Applied::Maybe
        } else {
            Applied::No
        };
        OperationError {
            applied,
            ..OperationError::not_applied(Reason::DeadlineExceeded, message)
        }
    }
}
