//! How long an attempt at one member waits, by what its answers took so far.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::QuorumOptions;

/// A smoothed answer time and its mean deviation, kept as TCP keeps them for its
/// retransmissions (RFC 6298). An attempt that is not answered in the time that nearly all
/// answers take is worth making again; a replica that became slow is waited for longer.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// In microseconds; 0 before the first answer.
    smoothed_us: AtomicU32,
    deviation_us: AtomicU32,
}

impl Patience {
    /// An attempt was answered after this time. Of two answers at one moment one may be lost,
    /// which an average does not mind.
    pub(crate) fn answered_after(&self, elapsed: Duration) {
        let sample = u32::try_from(elapsed.as_micros())
            .unwrap_or(u32::MAX)
            .max(1);
        let smoothed = self.smoothed_us.load(Ordering::Relaxed);
        if smoothed == 0 {
            self.deviation_us.store(sample / 2, Ordering::Relaxed);
            self.smoothed_us.store(sample, Ordering::Relaxed);
            return;
        }
        let deviation = self.deviation_us.load(Ordering::Relaxed);
        let deviation = weighted(deviation, 3, smoothed.abs_diff(sample));
        self.deviation_us.store(deviation, Ordering::Relaxed);
        let smoothed = weighted(smoothed, 7, sample).max(1);
        self.smoothed_us.store(smoothed, Ordering::Relaxed);
    }

    /// How long the next attempt waits, within the bounds of the options.
    pub(crate) fn limit(&self, options: &QuorumOptions) -> Duration {
        let smoothed = self.smoothed_us.load(Ordering::Relaxed);
        if smoothed == 0 {
            return options.attempt_timeout;
        }
        let deviation = self.deviation_us.load(Ordering::Relaxed);
        let limit = u64::from(smoothed) + 4 * u64::from(deviation);
        let shortest = options.shortest_attempt_timeout;
        let limit = Duration::from_micros(limit).max(shortest);
        limit.min(options.attempt_timeout)
    }
}

/// `old` with this weight against a `new` one with weight 1.
fn weighted(old: u32, weight: u32, new: u32) -> u32 {
    let sum = u64::from(weight) * u64::from(old) + u64::from(new);
    u32::try_from(sum / u64::from(weight + 1)).expect("a mean is between what it is of")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> QuorumOptions {
        QuorumOptions {
            attempt_timeout: Duration::from_secs(1),
            shortest_attempt_timeout: Duration::from_millis(20),
            ..QuorumOptions::default()
        }
    }

    fn after(answers: &[u64]) -> u128 {
        let patience = Patience::default();
        for milliseconds in answers {
            patience.answered_after(Duration::from_millis(*milliseconds));
        }
        patience.limit(&options()).as_millis()
    }

    #[test]
    fn it_is_the_longest_until_there_was_an_answer() {
        assert_eq!(after(&[]), 1000);
    }

    #[test]
    fn it_follows_the_answers_within_its_bounds() {
        assert_eq!(after(&[100]), 300, "the first, and twice as much");
        let steady = after(&[50; 100]);
        assert!((50..60).contains(&steady), "{steady}");
        assert_eq!(after(&[1; 100]), 20, "the lower bound");
        assert_eq!(after(&[5000; 3]), 1000, "the upper bound");
        let fast_then_slow = [&[10; 50][..], &[200; 3]].concat();
        assert!(after(&fast_then_slow) > 200, "it grows at once");
        let slow_then_fast = [&[200; 50][..], &[10; 200]].concat();
        assert!(after(&slow_then_fast) < 40, "and shrinks with time");
    }

    #[test]
    fn times_that_no_clock_shows_do_not_overflow() {
        let patience = Patience::default();
        for elapsed in [Duration::ZERO, Duration::MAX, Duration::ZERO] {
            patience.answered_after(elapsed);
            let limit = patience.limit(&options());
            assert!(limit >= Duration::from_millis(20) && limit <= Duration::from_secs(1));
        }
    }
}
