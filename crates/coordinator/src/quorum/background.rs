//! Writes that go on after their quorum was reached.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pending::Pending;
use super::{GivenUp, Progress, QuorumOptions};
use crate::live::{Live, LiveCounts};

/// The budget for finishing slower writes, so that a member a little behind the others does
/// not fall behind for good. Their rounds are over: they keep their epoch, follow no new
/// config, and nobody counts their answers.
pub(crate) struct Background {
    writes: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    timeout: Duration,
    tasks: TaskTracker,
    stop: CancellationToken,
    live: LiveCounts,
}

impl Background {
    pub(crate) fn new(options: &QuorumOptions, stop: CancellationToken, live: LiveCounts) -> Self {
        Self {
            writes: Arc::new(Semaphore::new(options.background_writes)),
            bytes: Arc::new(Semaphore::new(options.background_bytes)),
            timeout: options.background_timeout,
            tasks: TaskTracker::new(),
            stop,
            live,
        }
    }

    /// Lets these attempts at one write of so many `bytes` go on while the budget lasts;
    /// beyond it they are dropped. The operation they belong to is over. The write began at
    /// `began`.
    pub(crate) fn finish(
        &self,
        mut attempts: Pending<()>,
        bytes: usize,
        progress: &Progress,
        began: Instant,
    ) {
        let count = attempts.len();
        if count == 0 {
            attempts.all_answered(began);
            return;
        }
        // The attempts share key and value, which therefore count once.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let writes = self.writes.clone().try_acquire_many_owned(count as u32);
        let bytes = self.bytes.clone().try_acquire_many_owned(bytes);
        let (Ok(writes), Ok(bytes)) = (writes, bytes) else {
            attempts.give_up(GivenUp::Budget);
            return;
        };
        let deadline = Instant::now() + self.timeout;
        progress.continue_until(deadline);
        let guards: Vec<_> = (0..count)
            .map(|_| self.live.enter(Live::BackgroundWrite))
            .collect();
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            let all = async { while attempts.next().await.is_some() {} };
            let reason = tokio::select! {
                biased;
                () = stop.cancelled() => Some(GivenUp::Stop),
                () = all => None,
                () = sleep_until(deadline) => Some(GivenUp::BackgroundTimeout),
            };
            match reason {
                Some(reason) => attempts.give_up(reason),
                None => attempts.all_answered(began),
            }
            drop((guards, writes, bytes));
        });
    }

    /// Resolves once nothing goes on any more; call it after the stop token.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
