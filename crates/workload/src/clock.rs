//! Time since a recording began.

use tokio::time::Instant;

/// A clock that never goes back, passed in so that a simulation can own time.
pub trait Clock: Send + Sync {
    /// Nanoseconds since the recording began.
    fn elapsed_ns(&self) -> u64;
}

/// tokio's clock: the monotonic clock of the machine, or the virtual one of a paused runtime.
#[derive(Debug, Clone, Copy)]
pub struct TokioClock {
    began: Instant,
}

impl TokioClock {
    /// A clock that is at zero now.
    pub fn start() -> Self {
        Self {
            began: Instant::now(),
        }
    }
}

impl Clock for TokioClock {
    fn elapsed_ns(&self) -> u64 {
        // 64 bits of nanoseconds last for 584 years.
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_the_virtual_time_of_a_paused_runtime() {
        let clock = TokioClock::start();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.elapsed_ns(), 5_000_000_000);
    }
}
