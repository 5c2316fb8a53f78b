//! The pause between attempts.

use std::time::Duration;

use quorate_register::Entropy;

/// Exponential backoff with full jitter: before attempt `n + 1` a random time between zero and
/// `first * 2^(n-1)`, at most `most`. Full jitter spreads the retries of many operations evenly,
/// where a fixed pause would send them all at once again.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The longest first pause.
    pub first: Duration,
    /// The longest pause.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(10),
            most: Duration::from_secs(1),
        }
    }
}

impl Backoff {
    /// The pause after `failed` attempts, of which there was at least one.
    pub fn pause(&self, failed: u32, entropy: &dyn Entropy) -> Duration {
        let longest = self.longest(failed);
        // 32 random bits as a fraction: finer than any timer.
        let fraction = (entropy.bits() as u32) as f64 / (f64::from(u32::MAX) + 1.0);
        longest.mul_f64(fraction)
    }

    fn longest(&self, failed: u32) -> Duration {
        let doublings = failed.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u128);

    impl Entropy for Fixed {
        fn bits(&self) -> u128 {
            self.0
        }
    }

    #[test]
    fn the_longest_pause_doubles_up_to_the_limit() {
        let backoff = Backoff {
            first: Duration::from_millis(10),
            most: Duration::from_millis(65),
        };
        let longest: Vec<_> = (1..=5).map(|n| backoff.longest(n).as_millis()).collect();
        assert_eq!(longest, [10, 20, 40, 65, 65]);
        assert_eq!(backoff.longest(u32::MAX).as_millis(), 65);
    }

    #[test]
    fn the_jitter_is_full() {
        let backoff = Backoff::default();
        assert_eq!(backoff.pause(1, &Fixed(0)), Duration::ZERO);
        let most = backoff.pause(1, &Fixed(u128::MAX));
        assert!(most <= backoff.first && most > backoff.first.mul_f64(0.999));
        let half = backoff.pause(1, &Fixed(1 << 31));
        assert_eq!(half, backoff.first / 2);
    }
}
