//! What one measurement found.

use std::time::Duration;

use quorate_register::{OperationError, Reason};

use super::processors::ProcessorTime;
use super::tally::Tally;

/// The operations of one measurement, and what they cost.
#[derive(Debug)]
pub struct Measurement {
    /// How long it took.
    pub elapsed: Duration,
    /// How the operations ended.
    pub tally: Tally,
    /// The processor time that was used meanwhile.
    pub processors: ProcessorTime,
}

impl Measurement {
    /// How many succeeded.
    pub fn operations(&self) -> u64 {
        self.tally.operations()
    }

    /// How many failed.
    pub fn failures(&self) -> u64 {
        self.tally.failures()
    }

    /// Why no other measurement makes sense: nothing succeeded, at any time, since the store
    /// cannot be reached or has no quorum.
    pub fn out_of_reach(&self) -> Option<&OperationError> {
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
    pub fn per_second(&self, operations: u64) -> f64 {
        operations as f64 / self.elapsed.as_secs_f64()
    }

    /// Processor time of the store's processes per operation, in microseconds, if it is
    /// known.
    pub fn server_us(&self) -> Option<f64> {
        self.per_operation(self.processors.servers?)
    }

    /// That of this process, in microseconds.
    pub fn client_us(&self) -> Option<f64> {
        self.per_operation(self.processors.client)
    }

    fn per_operation(&self, time: Duration) -> Option<f64> {
        let operations = self.operations();
        (operations > 0).then(|| time.as_secs_f64() * 1e6 / operations as f64)
    }
}
