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

    /// Waits until the replica may leave: once an advice lets it, or none came for `silence`
    /// from now on. A replica whose place is not wanted waits for as long as whoever ends it.
    pub async fn ended(&self, silence: Duration) {
        let mut stages = self.0.subscribe();
        let heard = stages.wait_for(|stage| matches!(stage, Stage::Held | Stage::Free));
        if timeout_at(Instant::now() + silence, heard).await.is_err() {
            tracing::warn!(
                ?silence,
                "no coordinator says whether this replica is wanted"
            );
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
    waiting: Option<Signal>,
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
        let first = match self.waiting {
            Some(first) => first,
            None => self.signals.receive().await,
        };
        self.waiting = Some(first);
        self.departure.begin();
        tracing::info!(signal = %first, "serving until a coordinator says that it need not");
        let signal = tokio::select! {
            biased;
            second = self.signals.receive() => second,
            () = self.departure.ended(self.silence) => first,
        };
        self.departed = true;
        signal
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    const SILENCE: Duration = Duration::from_secs(10);

    struct Sent(mpsc::UnboundedReceiver<Signal>);

    impl Signals for Sent {
        async fn receive(&mut self) -> Signal {
            match self.0.recv().await {
                Some(signal) => signal,
                None => pending().await,
            }
        }
    }

    /// A replica's signals, and who sends them.
    fn signals(
        silence: Duration,
    ) -> (
        mpsc::UnboundedSender<Signal>,
        Departure,
        DepartingSignals<Sent>,
    ) {
        let (send, sent) = mpsc::unbounded_channel();
        let departure = Departure::default();
        let signals = DepartingSignals::new(Sent(sent), departure.clone(), silence);
        (send, departure, signals)
    }

    /// How long the program serves on after the signal, with this advice once a second.
    async fn serves_on(advice: impl Fn(u64) -> Option<Advice>) -> Option<u64> {
        let (send, departure, mut signals) = signals(SILENCE);
        send.send(Signal::Terminate).unwrap();
        for second in 0..1000 {
            let waited = timeout(Duration::from_secs(1), signals.receive()).await;
            if let Ok(signal) = waited {
                assert_eq!(signal, Signal::Terminate);
                return Some(second);
            }
            assert!(departure.is_under_way());
            if let Some(advice) = advice(second) {
                departure.advise(advice);
            }
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn each_advice() {
        use Advice::{Removed, Unknown, Unwanted, Wanted};
        assert_eq!(serves_on(|_| Some(Wanted)).await, Some(1));
        assert_eq!(serves_on(|_| Some(Unknown)).await, Some(1));
        assert_eq!(serves_on(|_| Some(Removed)).await, Some(1));
        assert_eq!(serves_on(|_| Some(Unwanted)).await, None);
        let later = |second| Some(if second < 500 { Unwanted } else { Removed });
        assert_eq!(serves_on(later).await, Some(501));
        // Somebody scaled up again.
        let again = |second| Some(if second < 5 { Unwanted } else { Wanted });
        assert_eq!(serves_on(again).await, Some(6));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_the_wait_before_an_advice_and_not_after_it() {
        let seconds = serves_on(|_| None).await.expect("it leaves");
        assert!((9..=10 * SILENCE.as_secs()).contains(&seconds), "{seconds}");
        let once = |second| (second == 3).then_some(Advice::Unwanted);
        assert_eq!(serves_on(once).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_without_a_signal_or_where_nobody_is_asked() {
        let (send, departure, mut signals) = signals(SILENCE);
        departure.advise(Advice::Wanted);
        assert!(!departure.is_under_way());
        let waited = timeout(Duration::from_secs(1000), signals.receive()).await;
        assert!(waited.is_err(), "an advice alone ends nothing");
        drop(send);

        let (send, departure, mut signals) = super::tests::signals(Duration::ZERO);
        send.send(Signal::Interrupt).unwrap();
        assert_eq!(signals.receive().await, Signal::Interrupt);
        assert!(!departure.is_under_way());
    }

    #[tokio::test(start_paused = true)]
    async fn another_signal_ends_the_wait_and_none_is_lost() {
        let (send, departure, mut signals) = signals(SILENCE);
        send.send(Signal::Terminate).unwrap();
        let waited = timeout(Duration::from_secs(1), signals.receive()).await;
        assert!(waited.is_err());
        departure.advise(Advice::Unwanted);
        send.send(Signal::Interrupt).unwrap();
        send.send(Signal::Terminate).unwrap();
        assert_eq!(signals.receive().await, Signal::Interrupt);
        assert_eq!(signals.receive().await, Signal::Terminate);
    }
}
