//! How many connections a server has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The open connections of an [`Incoming`](super::Incoming), for gauges and for a server's
/// end; clones share them.
#[derive(Debug, Clone)]
pub struct Connections {
    limit: usize,
    free: Arc<Semaphore>,
    accepted: Arc<AtomicU64>,
    cut: CancellationToken,
}

/// A connection's place among the open ones, while it exists.
#[derive(Debug)]
pub(super) struct Place {
    /// Ends when all connections are cut.
    pub(super) cut: WaitForCancellationFutureOwned,
    pub(super) permit: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            limit,
            free: Arc::new(Semaphore::new(limit)),
            accepted: Arc::default(),
            cut: CancellationToken::new(),
        }
    }

    /// A place for one more, while there is one.
    pub(super) fn take_place(&self) -> Option<Place> {
        let permit = self.free.clone().try_acquire_owned().ok()?;
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let cut = self.cut.clone().cancelled_owned();
        Some(Place { cut, permit })
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.limit - self.free.available_permits()
    }

    /// How many may be open at once.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many were opened, ever.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Cuts all, with every call on them, and those that come later: what is left to do when
    /// a graceful shutdown has taken long enough. Handlers are dropped.
    pub fn cut(&self) {
        self.cut.cancel();
    }
}
