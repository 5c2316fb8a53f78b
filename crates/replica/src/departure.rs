//! The end of a replica that was told to end: whether it leaves at once, or serves on.
//!
//! Scaling down ends pods before anybody changed the members. Where several leave in one step,
//! those that stay may be fewer than a majority. So a replica serves on when its place is
//! not wanted, until the members were changed; when it is wanted the replica is to come back, and
//! the sooner it leaves the better.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::Advice;
use quorate_runtime::{Signal, Signals};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// How far a replica is on its way out. Clones are the same way.
#[derive(Debug, Clone, Default)]
pub struct Departure(Arc<watch::Sender<Stage>>);

/// Each goes on to a later one only, but for an advice that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// Nobody told it to end.
    #[default]
    Serving,
    /// It was told to end, and waits to hear whether its place is wanted.
    Asking,
    /// Its place is not wanted, and it is a member.
    Held,
    /// It leaves.
    Free,
}

impl Departure {
    /// The replica was told to end.
    pub fn begin(&self) {
        self.0.send_if_modified(|stage| {
            let begins = *stage == Stage::Serving;
            if begins {
                *stage = Stage::Asking;
            }
            begins
        });
    }

    /// Whether it was told to end, and waits for an advice.
    pub fn is_under_way(&self) -> bool {
        *self.0.borrow() != Stage::Serving
    }

    /// Takes an advice. Without effect on a replica that nobody told to end.
    pub fn advise(&self, advice: Advice) {
        self.0.send_if_modified(|stage| {
            if matches!(stage, Stage::Serving | Stage::Free) {
                return false;
            }
            let next = match advice.lets_leave() {
                true => Stage::Free,
                false => Stage::Held,
            };
            let news = *stage != next;
            if news {
                tracing::info!(?advice, "told to end, and heard from a coordinator");
            }
            *stage = next;
            news
        });
    }

    /// Waits until the replica may leave: once an advice lets it, or none came before
    /// `silent_until`. A replica whose place is not wanted waits for as long as whoever ends it.
    pub async fn ended(&self, silent_until: Instant) {
        let mut stages = self.0.subscribe();
        let heard = stages.wait_for(|stage| matches!(stage, Stage::Held | Stage::Free));
        if timeout_at(silent_until, heard).await.is_err() {
            tracing::warn!("no coordinator says whether this replica is wanted");
            return;
        }
        // This one sends, so the channel is open.
        let _ = stages.wait_for(|stage| *stage == Stage::Free).await;
    }
}

/// The signals of a program that serves on after the first one until its [`Departure`] ended. One
/// more signal meanwhile ends the wait.
pub struct DepartingSignals<S> {
    signals: S,
    departure: Departure,
    silence: Duration,
    /// The first signal, and until when an advice is waited for.
    waiting: Option<(Signal, Instant)>,
    departed: bool,
}

impl<S> DepartingSignals<S> {
    /// Those of `signals`. An advice is waited for `silence` at most; zero: not at all.
    pub fn new(signals: S, departure: Departure, silence: Duration) -> Self {
        Self {
            signals,
            departure,
            silence,
            waiting: None,
            departed: silence.is_zero(),
        }
    }
}

impl<S: Signals> Signals for DepartingSignals<S> {
    async fn receive(&mut self) -> Signal {
        if self.departed {
            return self.signals.receive().await;
        }
        let (first, silent_until) = match self.waiting {
            Some(waiting) => waiting,
            None => {
                let first = self.signals.receive().await;
                self.departure.begin();
                tracing::info!(signal = %first, "serving until a coordinator says that it need not");
                *self.waiting.insert((first, Instant::now() + self.silence))
            }
        };
        let signal = tokio::select! {
            biased;
            second = self.signals.receive() => second,
            () = self.departure.ended(silent_until) => first,
        };
        self.departed = true;
        signal
    }
}
