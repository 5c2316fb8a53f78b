//! What the process asked its allocator for, where that is counted.

use prometheus::IntCounter;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use stats_alloc::Stats;

/// Reads the allocator's counts whenever metrics are asked for.
pub(super) struct Allocations {
    calls: IntCounter,
    bytes: IntCounter,
}

impl Allocations {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            calls: IntCounter::new(
                "quorate_allocations_total",
                "Blocks of memory that were allocated, and those that were made longer or shorter.",
            )?,
            bytes: IntCounter::new(
                "quorate_allocated_bytes_total",
                "Bytes that were allocated, and by which blocks grew.",
            )?,
        })
    }

    fn observe(&self, stats: &Stats) {
        let calls = (stats.allocations + stats.reallocations) as u64;
        self.calls.inc_by(calls - self.calls.get());
        let bytes = stats.bytes_allocated as u64;
        self.bytes.inc_by(bytes - self.bytes.get());
    }
}

impl Collector for Allocations {
    fn desc(&self) -> Vec<&Desc> {
        [self.calls.desc(), self.bytes.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.observe(&crate::ALLOCATOR.stats());
        [self.calls.collect(), self.bytes.collect()].concat()
    }
}
