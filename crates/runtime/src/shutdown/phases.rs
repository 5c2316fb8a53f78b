//! The phases of a shutdown, and who goes through them.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::{Ending, ShutdownSettings, Signals};

/// A program's end: a token per phase, and what is waited for. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// Cancelled first: health says not-serving. New connections and calls are still served.
    pub draining: CancellationToken,
    /// Cancelled second: servers accept no more, and end once their calls in flight ended.
    pub stop_accepting: CancellationToken,
    /// Cancelled last: everything ends now.
    pub cancel: CancellationToken,
    /// Servers and calls: what ends by itself some time after `stop_accepting`.
    pub calls: TaskTracker,
    /// What goes on until `cancel`, such as the admin server, and ends at once then.
    pub background: TaskTracker,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Of a program that has just started.
    pub fn new() -> Self {
        let cancel = CancellationToken::new();
        let stop_accepting = cancel.child_token();
        Self {
            draining: stop_accepting.child_token(),
            stop_accepting,
            cancel,
            calls: TaskTracker::new(),
            background: TaskTracker::new(),
        }
    }

    /// Runs `role`, a program's whole work, until it ends or is made to. The role has a
    /// clone of this shutdown, and returns after its servers ended or when it failed; a role
    /// that returns unasked takes the rest of the program with it.
    ///
    /// # Errors
    /// Those of the role, after everything else was cancelled.
    pub async fn supervise<E>(
        &self,
        role: impl Future<Output = Result<(), E>>,
        signals: impl Signals,
        settings: ShutdownSettings,
    ) -> Result<Ending, E> {
        // The role is part of what must end once it is cancelled.
        let running = self.background.token();
        let role = async move {
            let result = role.await;
            drop(running);
            result
        };
        let mut drive = pin!(self.drive(signals, settings));
        let result = tokio::select! {
            biased;
            result = role => result,
            ending = &mut drive => return Ok(ending),
        };
        if result.is_ok() && self.draining.is_cancelled() {
            return Ok(drive.await);
        }
        self.cancel.cancel();
        let abandoned = self.settle(settings.cancel_limit).await;
        result.map(|()| abandoned.unwrap_or(Ending::Finished))
    }

    /// Waits for a signal, goes through the phases, and says how they ended. It may end
    /// before its trackers are empty: whoever called it leaves the rest behind.
    pub async fn drive(&self, mut signals: impl Signals, settings: ShutdownSettings) -> Ending {
        let first = signals.receive().await;
        let ShutdownSettings { delay, limit, .. } = settings;
        info!(signal = %first, ?delay, ?limit, "shutting down; a second signal ends at once");
        let second = tokio::select! {
            biased;
            signal = signals.receive() => signal,
            ending = self.phases(settings) => return ending,
        };
        warn!(signal = %second, "ending at once");
        self.cancel.cancel();
        Ending::Forced(second)
    }

    /// From the signal to the end.
    async fn phases(&self, settings: ShutdownSettings) -> Ending {
        self.draining.cancel();
        if !settings.delay.is_zero() {
            time::sleep(settings.delay).await;
        }
        self.stop_accepting.cancel();
        self.calls.close();
        let drained = time::timeout(settings.limit, self.calls.wait()).await;
        let tasks = self.calls.len();
        self.cancel.cancel();
        if drained.is_err() {
            warn!(tasks, "calls were still in flight at the limit: cancelled");
        }
        let in_time = match drained {
            Ok(()) => Ending::Drained,
            Err(_) => Ending::Cancelled { tasks },
        };
        let abandoned = self.settle(settings.cancel_limit).await;
        abandoned.unwrap_or(in_time)
    }

    /// Waits until nothing runs any more. Returns how it ended if that takes too long.
    async fn settle(&self, limit: Duration) -> Option<Ending> {
        self.calls.close();
        self.background.close();
        let everything = async {
            self.calls.wait().await;
            self.background.wait().await;
        };
        time::timeout(limit, everything).await.err()?;
        let tasks = self.calls.len() + self.background.len();
        warn!(
            tasks,
            ?limit,
            "tasks did not end although they were cancelled"
        );
        Some(Ending::Abandoned { tasks })
    }
}
