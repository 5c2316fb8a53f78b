//! Counts of what is alive, so that tests and metrics can tell that nothing outlives its scope.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What a coordinator has under way. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct LiveCounts {
    counts: Arc<[AtomicI64; 4]>,
}

/// [`LiveCounts`] at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveSnapshot {
    /// Operations of clients.
    pub operations: i64,
    /// Requests to replicas, background writes included.
    pub attempts: i64,
    /// Attempts that wait to be made again.
    pub backoffs: i64,
    /// Writes that go on after their quorum was reached.
    pub background_writes: i64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Live {
    Operation,
    Attempt,
    Backoff,
    BackgroundWrite,
}

impl LiveCounts {
    /// Counts one in until the guard is dropped.
    pub(crate) fn enter(&self, what: Live) -> LiveGuard {
        self.counts[what as usize].fetch_add(1, Ordering::Relaxed);
        LiveGuard {
            counts: self.counts.clone(),
            what,
        }
    }

    /// What is alive now.
    pub fn snapshot(&self) -> LiveSnapshot {
        let count = |what: Live| self.counts[what as usize].load(Ordering::Relaxed);
        LiveSnapshot {
            operations: count(Live::Operation),
            attempts: count(Live::Attempt),
            backoffs: count(Live::Backoff),
            background_writes: count(Live::BackgroundWrite),
        }
    }
}

/// Something that is alive.
#[derive(Debug)]
pub(crate) struct LiveGuard {
    counts: Arc<[AtomicI64; 4]>,
    what: Live,
}

impl Drop for LiveGuard {
    fn drop(&mut self) {
        self.counts[self.what as usize].fetch_sub(1, Ordering::Relaxed);
    }
}
