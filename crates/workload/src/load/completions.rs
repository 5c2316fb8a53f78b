//! How many operations ended, and how long none did.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Counts the operations of a load that ended, and finds the longest time without any that
/// succeeded.
#[derive(Debug)]
pub struct Completions {
    began: Instant,
    ended: AtomicU64,
    /// When the last one succeeded, or the window began, in nanoseconds since `began`.
    last_ns: AtomicU64,
    longest_ns: AtomicU64,
}

impl Completions {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            ended: AtomicU64::new(0),
            last_ns: AtomicU64::new(0),
            longest_ns: AtomicU64::new(0),
        }
    }

    pub(super) fn note(&self, succeeded: bool) {
        self.ended.fetch_add(1, Ordering::Relaxed);
        if succeeded {
            let now = self.now_ns();
            // Of two that end at once either may be first; their order changes nothing.
            let last = self.last_ns.swap(now, Ordering::Relaxed);
            self.longest_ns
                .fetch_max(now.saturating_sub(last), Ordering::Relaxed);
        }
    }

    /// How many ended so far, well or not, in every stage.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Begins a new window for [`Self::longest_silence`].
    pub fn begin_window(&self) {
        self.last_ns.store(self.now_ns(), Ordering::Relaxed);
        self.longest_ns.store(0, Ordering::Relaxed);
    }

    /// The longest time since the window began in which no operation succeeded, also the one
    /// that goes on.
    pub fn longest_silence(&self) -> Duration {
        let last = self.last_ns.load(Ordering::Relaxed);
        let current = self.now_ns().saturating_sub(last);
        Duration::from_nanos(current.max(self.longest_ns.load(Ordering::Relaxed)))
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_silence_of_a_window_is_found() {
        let ms = Duration::from_millis;
        let completions = Completions::new();
        completions.note(true);
        advance(ms(50)).await;
        completions.note(false);
        assert_eq!(completions.longest_silence(), ms(50), "a failure is silent");
        completions.note(true);
        advance(ms(20)).await;
        completions.note(true);
        assert_eq!(completions.longest_silence(), ms(50));

        completions.begin_window();
        advance(ms(10)).await;
        completions.note(true);
        assert_eq!(completions.longest_silence(), ms(10));
        advance(ms(30)).await;
        assert_eq!(completions.longest_silence(), ms(30), "it goes on");
        assert_eq!(completions.ended(), 5);
    }
}
