//! Randomness that follows from the seed of a run.

use std::ops::RangeInclusive;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_register::Entropy;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers.
///
/// Everything that draws has a stream of its own, named by its purpose, so that one more draw
/// at one place does not change what another place draws.
pub(crate) struct Random {
    rng: Mutex<ChaCha8Rng>,
}

impl Random {
    /// The stream of this seed for this purpose.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(fnv(purpose));
        Self {
            rng: Mutex::new(rng),
        }
    }

    /// `true` with this probability.
    pub(crate) fn chance(&self, probability: f64) -> bool {
        self.rng.lock().random_bool(probability)
    }

    /// A number of the range, each alike.
    pub(crate) fn number(&self, range: RangeInclusive<u64>) -> u64 {
        self.rng.lock().random_range(range)
    }

    /// A duration of the range in whole milliseconds, which is how finely tokio's timers tick.
    pub(crate) fn milliseconds(&self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    /// The index of a list of this length, each alike.
    pub(crate) fn index(&self, length: usize) -> usize {
        self.rng.lock().random_range(0..length)
    }

    /// One of these, each alike.
    pub(crate) fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}

impl Entropy for Random {
    fn bits(&self) -> u128 {
        self.rng.lock().random()
    }
}

/// FNV-1a: the same number for the same name on every machine and in every version.
fn fnv(name: &str) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    name.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(seed: u64, purpose: &str) -> Vec<u128> {
        let random = Random::new(seed, purpose);
        (0..4).map(|_| random.bits()).collect()
    }

    #[test]
    fn a_stream_follows_from_seed_and_purpose() {
        assert_eq!(bits(1, "a"), bits(1, "a"));
        assert_ne!(bits(1, "a"), bits(1, "b"));
        assert_ne!(bits(1, "a"), bits(2, "a"));
    }

    #[test]
    fn ranges_are_inclusive() {
        let random = Random::new(1, "ranges");
        let drawn: std::collections::BTreeSet<u64> =
            (0..200).map(|_| random.number(3..=5)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
        assert!(!random.chance(0.0) && random.chance(1.0));
    }
}
