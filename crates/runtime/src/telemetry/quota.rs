//! So that a fault under load does not flood the log.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Lets so many through in each window of time, and counts the others.
#[derive(Debug)]
pub struct Quota {
    most: u32,
    window: Duration,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// When the window began, if one did.
    since: Option<Instant>,
    in_window: u32,
    left_out: u64,
}

impl Quota {
    /// One that lets `most` through per `window`.
    pub fn new(most: u32, window: Duration) -> Self {
        Self {
            most,
            window,
            taken: Mutex::default(),
        }
    }

    /// One more wants through. If it may, how many were left out since the last that might.
    pub fn take(&self) -> Option<u64> {
        let now = Instant::now();
        let mut taken = self.taken.lock();
        let over = |since: Instant| now.duration_since(since) >= self.window;
        if taken.since.is_none_or(over) {
            taken.since = Some(now);
            taken.in_window = 0;
        }
        if taken.in_window == self.most {
            taken.left_out += 1;
            return None;
        }
        taken.in_window += 1;
        Some(std::mem::take(&mut taken.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rest_of_a_window_is_left_out_and_counted() {
        let window = Duration::from_secs(10);
        let quota = Quota::new(2, window);
        let takes: Vec<_> = (0..5).map(|_| quota.take()).collect();
        assert_eq!(takes, [Some(0), Some(0), None, None, None]);
        tokio::time::advance(window - Duration::from_millis(1)).await;
        assert_eq!(quota.take(), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!((quota.take(), quota.take()), (Some(4), Some(0)));
        assert_eq!(quota.take(), None);
    }
}
