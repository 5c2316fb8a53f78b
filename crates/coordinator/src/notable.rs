//! Operations that somebody should look at: those that failed, and those that were slow.

use std::time::Duration;

use quorate_runtime::telemetry::{NOTABLE_OPERATION, Quota};

use crate::operation::{Operation, is_canary};

/// How many of each kind are logged, and kept in traces, per window of time.
const MOST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// Logs them, and marks their spans so that they are kept though nobody sampled them.
#[derive(Debug)]
pub(crate) struct Notable {
    slow_after: Duration,
    slow: Quota,
    failed: Quota,
}

impl Notable {
    /// Takes operations for slow that took so long.
    pub(crate) fn new(slow_after: Duration) -> Self {
        Self {
            slow_after,
            slow: Quota::new(MOST, WINDOW),
            failed: Quota::new(MOST, WINDOW),
        }
    }

    /// An operation ended so, after so long, with this error if it failed. Must be called in
    /// the scope of its span.
    pub(crate) fn ended(
        &self,
        operation: Operation,
        outcome: &'static str,
        duration: Duration,
        error: Option<&str>,
    ) {
        let (reason, quota) = match outcome {
            "not_applied" | "unknown" | "overloaded" => ("failed", &self.failed),
            "ok" | "cancelled" if duration >= self.slow_after => ("slow", &self.slow),
            // The caller's own mistakes, and what was quick.
            _ => return,
        };
        let Some(left_out) = quota.take() else { return };
        quorate_trace::notable(reason);
        tracing::warn!(
            target: NOTABLE_OPERATION,
            operation = operation.name(),
            outcome,
            duration_ms = duration.as_millis() as u64,
            error,
            left_out,
            "a {reason} operation{}",
            if is_canary() { " of the canary" } else { "" }
        );
    }
}
