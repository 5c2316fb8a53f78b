//! Where a load is.

use std::sync::atomic::{AtomicU8, Ordering};

/// Where a load is; what is noted counts only in the middle.
#[derive(Debug, Default)]
pub(super) struct Stage(AtomicU8);

impl Stage {
    const WARMUP: u8 = 0;
    const MEASURING: u8 = 1;
    const OVER: u8 = 2;

    pub(super) fn measure(&self) {
        let from = self.0.swap(Self::MEASURING, Ordering::Relaxed);
        assert_eq!(from, Self::WARMUP, "a load is measured once");
    }

    pub(super) fn end(&self) {
        self.0.store(Self::OVER, Ordering::Relaxed);
    }

    pub(super) fn is_measuring(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::MEASURING
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::OVER
    }
}
