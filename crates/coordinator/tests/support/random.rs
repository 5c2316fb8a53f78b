//! Randomness under a seed.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_register::Entropy;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Draws the same for the same seed.
pub(crate) struct Seeded(Mutex<StdRng>);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A number below `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.0.lock().random_range(0..end)
    }

    /// A time from zero to `longest`, in microseconds.
    pub(crate) fn time(&self, longest: Duration) -> Duration {
        Duration::from_micros(self.below(longest.as_micros() as u64 + 1))
    }
}

impl Entropy for Seeded {
    fn bits(&self) -> u128 {
        self.0.lock().random()
    }
}
