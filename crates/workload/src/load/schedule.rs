//! When the operations of a fixed rate are due.

use std::time::Duration;

use tokio::time::Instant;

/// So many operations a second, at even distances. Nothing moves an instant once it is
/// planned: a store that falls behind makes latencies longer, not arrivals rarer.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    began: Instant,
    per_second: u32,
}

impl Schedule {
    /// From `began` on, at least one a second.
    pub fn new(began: Instant, per_second: u32) -> Self {
        assert!(per_second > 0, "a rate is at least one a second");
        Self { began, per_second }
    }

    /// When the operation with this number is due; the first, with number 0, at once.
    pub fn due(&self, number: u64) -> Instant {
        let per_second = u64::from(self.per_second);
        let (seconds, rest) = (number / per_second, number % per_second);
        // Below one second, so it fits; computed from the number, so that no rounding adds up.
        let nanoseconds = rest * 1_000_000_000 / per_second;
        self.began + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_even_and_do_not_drift() {
        let began = Instant::now();
        for per_second in [1, 3, 1000, 7919, 1_000_000, u32::MAX] {
            let schedule = Schedule::new(began, per_second);
            assert_eq!(schedule.due(0), began);
            let hour = u64::from(per_second) * 3600;
            assert_eq!(schedule.due(hour), began + Duration::from_secs(3600));
            let step = schedule.due(hour + 1) - schedule.due(hour);
            assert_eq!(step.as_nanos(), u128::from(1_000_000_000 / per_second));
        }
    }
}
