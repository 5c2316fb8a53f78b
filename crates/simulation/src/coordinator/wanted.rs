//! What people want of the members, in place of a StatefulSet.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use quorate_coordinator::membership::{News, ScaleRefused, WishUnknown, Workload};

use crate::trace::Trace;

/// A number of pods that changes now and then.
pub(crate) struct Wanted {
    pods: Vec<String>,
    size: Mutex<usize>,
    trace: Trace,
}

impl Wanted {
    /// The first `size` of these pods.
    pub(crate) fn new(pods: Vec<String>, size: usize, trace: Trace) -> Self {
        let size = Mutex::new(size);
        Self { pods, size, trace }
    }

    /// Another size from now on.
    pub(crate) fn set(&self, size: usize) {
        *self.size.lock() = size;
        let text = format_args!("{size} replicas are wanted");
        self.trace.event("size wanted", text);
    }
}

#[async_trait]
impl Workload for Wanted {
    fn wanted(&self) -> Option<Arc<[String]>> {
        let size = *self.size.lock();
        Some(self.pods.iter().take(size).cloned().collect())
    }

    async fn wanted_now(&self) -> Result<Option<Arc<[String]>>, WishUnknown> {
        Ok(self.wanted())
    }

    async fn scale(&self, size: usize) -> Result<(), ScaleRefused> {
        self.set(size);
        Ok(())
    }

    fn announce(&self, news: &News) {
        self.trace
            .event(news.reason, format_args!("{}", news.message));
    }
}
