//! Shutdowns under a paused clock, with signals from a channel.

use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;

const SETTINGS: ShutdownSettings = ShutdownSettings {
    delay: Duration::from_secs(5),
    limit: Duration::from_secs(20),
    cancel_limit: Duration::from_secs(2),
};

type Driven = JoinHandle<Result<Ending, &'static str>>;

/// Signals that a test sends; none come after the sender was dropped.
struct Sent(mpsc::UnboundedReceiver<Signal>);

impl Signals for Sent {
    async fn receive(&mut self) -> Signal {
        match self.0.recv().await {
            Some(signal) => signal,
            None => pending().await,
        }
    }
}

/// A supervised role, and the sender of its signals.
fn supervise<R>(
    shutdown: &Shutdown,
    settings: ShutdownSettings,
    role: R,
) -> (mpsc::UnboundedSender<Signal>, Driven)
where
    R: Future<Output = Result<(), &'static str>> + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    let shutdown = shutdown.clone();
    let driven = async move { shutdown.supervise(role, Sent(receiver), settings).await };
    (sender, tokio::spawn(driven))
}

/// A role that ends when its servers do.
fn server(shutdown: &Shutdown) -> impl Future<Output = Result<(), &'static str>> + use<> {
    let stop = shutdown.stop_accepting.clone();
    async move {
        stop.cancelled().await;
        Ok(())
    }
}

fn terminate(sender: &mpsc::UnboundedSender<Signal>) {
    sender.send(Signal::Terminate).expect("somebody listens");
}

async fn ended(driven: Driven) -> Ending {
    let result = driven.await.expect("no panic");
    result.expect("the role did not fail")
}

#[test]
fn a_later_phase_includes_the_earlier_ones() {
    let shutdown = Shutdown::new();
    shutdown.draining.cancel();
    assert!(!shutdown.stop_accepting.is_cancelled() && !shutdown.cancel.is_cancelled());

    let shutdown = Shutdown::new();
    shutdown.stop_accepting.cancel();
    assert!(shutdown.draining.is_cancelled() && !shutdown.cancel.is_cancelled());

    let shutdown = Shutdown::new();
    shutdown.cancel.cancel();
    assert!(shutdown.draining.is_cancelled() && shutdown.stop_accepting.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn phases_follow_each_other_and_calls_finish() {
    let shutdown = Shutdown::new();
    let (sender, driven) = supervise(&shutdown, SETTINGS, server(&shutdown));
    let start = Instant::now();
    let call = shutdown.calls.spawn(sleep(Duration::from_secs(15)));
    terminate(&sender);

    shutdown.draining.cancelled().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(!shutdown.stop_accepting.is_cancelled());

    shutdown.stop_accepting.cancelled().await;
    assert_eq!(start.elapsed(), SETTINGS.delay);
    assert!(!shutdown.cancel.is_cancelled());

    shutdown.cancel.cancelled().await;
    assert_eq!(start.elapsed(), Duration::from_secs(15));
    call.await.expect("the call finished");
    assert_eq!(ended(driven).await, Ending::Drained);
}

#[tokio::test(start_paused = true)]
async fn calls_begun_while_draining_finish_too() {
    let shutdown = Shutdown::new();
    let (sender, driven) = supervise(&shutdown, SETTINGS, server(&shutdown));
    terminate(&sender);
    shutdown.draining.cancelled().await;
    let call = shutdown.calls.spawn(sleep(Duration::from_secs(24)));
    assert_eq!(ended(driven).await, Ending::Drained);
    assert!(call.is_finished());
}

#[tokio::test(start_paused = true)]
async fn calls_are_cancelled_at_the_limit() {
    let shutdown = Shutdown::new();
    let (sender, driven) = supervise(&shutdown, SETTINGS, server(&shutdown));
    let start = Instant::now();
    for _ in 0..3 {
        let cancel = shutdown.cancel.clone();
        let call = async move { cancel.cancelled().await };
        shutdown.calls.spawn(call);
    }
    terminate(&sender);
    assert_eq!(ended(driven).await, Ending::Cancelled { tasks: 3 });
    assert_eq!(start.elapsed(), SETTINGS.delay + SETTINGS.limit);
    assert!(shutdown.calls.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_ignores_its_cancellation_is_left_behind() {
    let shutdown = Shutdown::new();
    let (sender, driven) = supervise(&shutdown, SETTINGS, pending());
    let start = Instant::now();
    let call = shutdown.calls.spawn(pending::<()>());
    let background = shutdown.background.spawn(pending::<()>());
    terminate(&sender);
    // The call, the background task, and the role.
    assert_eq!(ended(driven).await, Ending::Abandoned { tasks: 3 });
    let all = SETTINGS.delay + SETTINGS.limit + SETTINGS.cancel_limit;
    assert_eq!(start.elapsed(), all);
    assert!(!call.is_finished() && !background.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_ends_at_once_in_every_phase() {
    let last = SETTINGS.delay + SETTINGS.limit + Duration::from_secs(1);
    for wait in [Duration::ZERO, SETTINGS.delay * 2, last] {
        let shutdown = Shutdown::new();
        let (sender, driven) = supervise(&shutdown, SETTINGS, pending());
        shutdown.calls.spawn(pending::<()>());
        terminate(&sender);
        shutdown.draining.cancelled().await;
        sleep(wait).await;
        let start = Instant::now();
        sender.send(Signal::Interrupt).expect("somebody listens");
        assert_eq!(ended(driven).await, Ending::Forced(Signal::Interrupt));
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(shutdown.cancel.is_cancelled());
    }
}

#[tokio::test(start_paused = true)]
async fn a_terminal_waits_less_than_a_second() {
    let shutdown = Shutdown::new();
    let settings = ShutdownSettings::interactive();
    let (sender, driven) = supervise(&shutdown, settings, pending());
    shutdown.calls.spawn(pending::<()>());
    let start = Instant::now();
    terminate(&sender);
    assert_eq!(ended(driven).await, Ending::Abandoned { tasks: 2 });
    assert!(start.elapsed() < Duration::from_secs(1));

    let idle = Shutdown::new();
    let (sender, driven) = supervise(&idle, settings, server(&idle));
    let start = Instant::now();
    terminate(&sender);
    assert_eq!(ended(driven).await, Ending::Drained);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_returns_unasked_ends_the_rest() {
    for failure in [None, Some("disk on fire")] {
        let shutdown = Shutdown::new();
        let cancel = shutdown.cancel.clone();
        let background = async move { cancel.cancelled().await };
        shutdown.background.spawn(background);
        let role = async move { failure.map_or(Ok(()), Err) };
        let (_sender, driven) = supervise(&shutdown, SETTINGS, role);
        let expected = failure.map_or(Ok(Ending::Finished), Err);
        assert_eq!(driven.await.expect("no panic"), expected);
        assert!(shutdown.background.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_fails_while_draining_has_failed() {
    let shutdown = Shutdown::new();
    let draining = shutdown.draining.clone();
    let role = async move {
        draining.cancelled().await;
        Err("disk on fire")
    };
    let (sender, driven) = supervise(&shutdown, SETTINGS, role);
    terminate(&sender);
    assert_eq!(driven.await.expect("no panic"), Err("disk on fire"));
    assert!(shutdown.cancel.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn without_a_signal_nothing_ends() {
    let shutdown = Shutdown::new();
    let (sender, driven) = supervise(&shutdown, SETTINGS, server(&shutdown));
    drop(sender);
    sleep(Duration::from_secs(3600)).await;
    assert!(!driven.is_finished() && !shutdown.draining.is_cancelled());
}

#[test]
fn exit_codes_tell_the_endings_apart() {
    for (ending, code) in [
        (Ending::Finished, 0),
        (Ending::Drained, 0),
        (Ending::Cancelled { tasks: 1 }, 0),
        (Ending::Abandoned { tasks: 1 }, 3),
        (Ending::Forced(Signal::Interrupt), 130),
        (Ending::Forced(Signal::Terminate), 143),
    ] {
        assert_eq!(ending.code(), code, "{ending:?}");
    }
}
