//! How a replica that was told to end leaves.

use std::future::pending;
use std::time::Duration;

use quorate_register::Advice;
use quorate_replica::{DepartingSignals, Departure};
use quorate_runtime::{Signal, Signals};
use tokio::sync::mpsc;
use tokio::time::timeout;

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
    assert!(seconds.abs_diff(SILENCE.as_secs()) <= 1, "{seconds}");
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

    let (send, departure, mut signals) = self::signals(Duration::ZERO);
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
