//! What one measurement found.

use std::time::Duration;

use quorate_client::{OperationError, Reason};

use super::processor::ProcessorTime;
use super::worker::Tally;

/// The operations of one measurement, and what they cost.
#[derive(Debug)]
pub(super) struct Measurement {
    /// How long it took.
    pub(super) elapsed: Duration,
    pub(super) tally: Tally,
    pub(super) processors: ProcessorTime,
}

impl Measurement {
    /// How many succeeded.
    pub(super) fn operations(&self) -> u64 {
        self.tally.sets.len() + self.tally.gets.len()
    }

    /// How many failed.
    pub(super) fn failures(&self) -> u64 {
        self.tally.errors.values().sum()
    }

    /// Why no other measurement makes sense: nothing succeeded, at any time, since the store
    /// cannot be reached or has no quorum.
    pub(super) fn out_of_reach(&self) -> Option<&OperationError> {
        let error = self.tally.last_error.as_ref()?;
        let lasting = match error.reason {
            Reason::Unreachable
            | Reason::DeadlineExceeded
            | Reason::NoQuorum
            | Reason::QuorumImpossible
            | Reason::NotReady
            | Reason::Stopping => true,
            Reason::InvalidArgument
            | Reason::RetryRefused
            | Reason::Overloaded
            | Reason::TimestampsExhausted
            | Reason::Internal => false,
        };
        (lasting && !self.tally.any_succeeded).then_some(error)
    }

    /// How many of this many there were in a second.
    pub(super) fn per_second(&self, operations: u64) -> f64 {
        operations as f64 / self.elapsed.as_secs_f64()
    }

    /// Processor time of the store's processes per operation, in microseconds, if it is
    /// known.
    pub(super) fn server_us(&self) -> Option<f64> {
        self.per_operation(self.processors.servers?)
    }

    /// That of this process, in microseconds.
    pub(super) fn client_us(&self) -> Option<f64> {
        self.per_operation(self.processors.client)
    }

    fn per_operation(&self, time: Duration) -> Option<f64> {
        let operations = self.operations();
        (operations > 0).then(|| time.as_secs_f64() * 1e6 / operations as f64)
    }
}
