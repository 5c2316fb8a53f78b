//! Keeps the stream of an exchange open, and delivers what it brings.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, sleep};
use tonic::{Code, Status};

use super::calls::{Calls, Down, SWEEP_INTERVAL};
use super::{Outgoing, Wire};
use crate::error::{describe, is_passed_over};

/// The pause before a broken stream is opened again; it doubles until one brings an answer.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How long unary calls are made to a server that does not know exchanges, before it is
/// asked again: it may have been upgraded.
const UNSUPPORTED_PAUSE: Duration = Duration::from_secs(5);

/// Keeps an exchange going while it exists.
pub(super) struct Driver<W: Wire> {
    pub(super) wire: Arc<W>,
    pub(super) calls: Arc<Calls<W>>,
    /// Whether there is a driver.
    pub(super) started: Arc<AtomicBool>,
}

/// However it ends, with its runtime perhaps, nobody waits for it; the next call starts
/// another.
impl<W: Wire> Drop for Driver<W> {
    fn drop(&mut self) {
        self.calls.broke(Down::Broken("the exchange ended".into()));
        self.calls.up();
        self.started.store(false, Ordering::Relaxed);
    }
}

impl<W: Wire> Driver<W> {
    /// Opens the stream and delivers its answers, again and again, and ends calls whose time
    /// is up.
    pub(super) async fn drive(self) {
        tokio::select! {
            biased;
            () = self.keep_open() => {}
            () = self.keep_sweeping() => {}
        }
    }

    /// Until the stream is open for the first time, calls wait; later, while it is broken, they
    /// are refused at once, since a call that waits for a dead peer helps nobody.
    async fn keep_open(&self) {
        let calls = &self.calls;
        let mut pause = FIRST_PAUSE;
        loop {
            let down = match self.wire.open(Outgoing::new(calls.clone())).await {
                Ok(mut incoming) => {
                    calls.up();
                    let ended = self.receive(&mut incoming, &mut pause).await;
                    Down::Broken(ended.into())
                }
                Err(status) if status.code() == Code::Unimplemented => {
                    pause = UNSUPPORTED_PAUSE;
                    Down::NotTaken
                }
                Err(status) if is_passed_over(&status) => Down::NotTaken,
                Err(status) => Down::Broken(describe(&status).into()),
            };
            calls.broke(down);
            sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// Delivers answers until the stream ends; says why it did.
    async fn receive(
        &self,
        incoming: &mut (impl futures::Stream<Item = Result<W::Response, Status>> + Unpin),
        pause: &mut Duration,
    ) -> String {
        loop {
            match incoming.next().await {
                Some(Ok(response)) => {
                    match W::is_closing(&response) {
                        true => self.calls.wind_down(),
                        false => *pause = FIRST_PAUSE,
                    }
                    self.calls.deliver(W::answers(response));
                }
                Some(Err(status)) => return describe(&status),
                None => return "the other end closed the stream".to_owned(),
            }
        }
    }

    /// No timer runs while there are no calls.
    async fn keep_sweeping(&self) {
        loop {
            poll_fn(|context| self.calls.poll_open(context)).await;
            sleep(SWEEP_INTERVAL).await;
            self.calls.sweep(Instant::now());
        }
    }
}
