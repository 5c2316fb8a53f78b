//! What observes when it is dropped, so that what is abandoned counts too.

use std::time::Duration;

use prometheus::Histogram;
use quorate_register::{Applied, OperationError, Reason, ReplicaError};
use tokio::time::Instant;

use super::CoordinatorMetrics;
use crate::membership::Target;
use crate::notable::Notable;
use crate::operation::Operation;
use crate::quorum::{Method, Phase};

/// The values of the label `outcome`.
pub(super) const OUTCOMES: [&str; 6] = [
    "ok",
    "not_applied",
    "unknown",
    "overloaded",
    "invalid",
    "cancelled",
];

/// Observes an operation.
pub(crate) struct OperationObserver<'a> {
    metrics: &'a CoordinatorMetrics,
    /// Who is told too, if anybody.
    notable: Option<&'a Notable>,
    operation: Operation,
    started: Instant,
    outcome: &'static str,
    error: Option<String>,
}

impl<'a> OperationObserver<'a> {
    pub(crate) fn begin(
        metrics: &'a CoordinatorMetrics,
        operation: Operation,
        started: Instant,
    ) -> Self {
        Self {
            metrics,
            notable: None,
            operation,
            started,
            outcome: "cancelled",
            error: None,
        }
    }

    /// Tells `notable` too how it ends.
    pub(crate) fn telling(mut self, notable: &'a Notable) -> Self {
        self.notable = Some(notable);
        self
    }

    pub(crate) fn end(&mut self, error: Option<&OperationError>) {
        self.outcome = match error {
            None => "ok",
            Some(error) => outcome(error),
        };
        self.error = error.map(ToString::to_string);
    }
}

/// The enumerated value of the label `outcome`.
pub(crate) fn outcome(error: &OperationError) -> &'static str {
    match (error.reason, error.applied) {
        (Reason::InvalidArgument | Reason::RetryRefused | Reason::TimestampsExhausted, _) => {
            "invalid"
        }
        (Reason::Overloaded, _) => "overloaded",
        (_, Applied::No) => "not_applied",
        (_, Applied::Maybe) => "unknown",
    }
}

impl Drop for OperationObserver<'_> {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        let series = &self.metrics.by_operation[self.operation as usize];
        series.duration.observe(duration.as_secs_f64());
        if let Some(notable) = self.notable {
            let error = self.error.as_deref();
            notable.ended(self.operation, self.outcome, duration, error);
        }
        match self.outcome {
            "ok" => series.ok.inc(),
            outcome => {
                let labels = [self.operation.name(), outcome];
                self.metrics.operations.with_label_values(&labels).inc();
            }
        }
    }
}

/// Observes a phase.
pub(crate) struct PhaseObserver<'a> {
    duration: &'a Histogram,
    started: Instant,
}

impl<'a> PhaseObserver<'a> {
    pub(crate) fn begin(
        metrics: &'a CoordinatorMetrics,
        operation: Operation,
        phase: Phase,
        started: Instant,
    ) -> Self {
        Self {
            duration: &metrics.by_operation[operation as usize].phases[phase as usize],
            started,
        }
    }
}

impl Drop for PhaseObserver<'_> {
    fn drop(&mut self) {
        self.duration.observe(self.started.elapsed().as_secs_f64());
    }
}

/// Observes a request to a replica; one that is dropped before its end counts as cancelled.
pub(crate) struct AttemptObserver<'a> {
    metrics: &'a CoordinatorMetrics,
    target: &'a Target,
    method: Method,
    started: Instant,
    /// How it ended, and how long it took, once it did.
    ended: Option<(&'static str, Duration)>,
}

impl<'a> AttemptObserver<'a> {
    pub(crate) fn begin(
        metrics: &'a CoordinatorMetrics,
        target: &'a Target,
        method: Method,
        started: Instant,
    ) -> Self {
        Self {
            metrics,
            target,
            method,
            started,
            ended: None,
        }
    }

    /// It ends now; how long it took.
    pub(crate) fn end(&mut self, error: Option<&ReplicaError>) -> Duration {
        let took = self.started.elapsed();
        self.ended = Some((error.map_or("ok", ReplicaError::code), took));
        took
    }
}

impl Drop for AttemptObserver<'_> {
    fn drop(&mut self) {
        let series = &self.target.metrics.by_method[self.method as usize];
        let cancelled = || ("cancelled", self.started.elapsed());
        let (code, took) = self.ended.unwrap_or_else(cancelled);
        series.duration.observe(took.as_secs_f64());
        match code {
            "ok" => series.ok.inc(),
            "cancelled" => series.cancelled.inc(),
            code => {
                let labels = [&*self.target.pod, self.method.name(), code];
                let requests = &self.metrics.requests;
                self.metrics.count_of_member(requests, &labels);
            }
        }
    }
}
