//! How fast keys are copied.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// Spreads keys over time. What was not used is not saved up.
#[derive(Debug)]
pub(super) struct Pace {
    next: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for the turn of so many keys, at so many keys a second.
    pub(super) async fn turn(&self, keys: usize, rate: u64) {
        let takes = Duration::from_secs_f64(keys as f64 / rate.max(1) as f64);
        let at = {
            let mut next = self.next.lock();
            let at = Instant::now().max(*next);
            *next = at + takes;
            at
        };
        sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn keys_take_their_time_and_pauses_are_not_saved_up() {
        let pace = Pace::new();
        tokio::time::advance(Duration::from_secs(10)).await;
        let began = Instant::now();
        for _ in 0..3 {
            pace.turn(50, 100).await;
        }
        assert_eq!(began.elapsed().as_millis(), 1000);
        pace.turn(1, 1_000_000).await;
        assert_eq!(began.elapsed().as_millis(), 1500);
    }
}
