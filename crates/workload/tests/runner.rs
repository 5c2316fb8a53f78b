//! The runner: how it begins, ends, and records what happens to calls.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::memory::{Bug, Memory};
use quorate_register::{Entry, Key, OperationError, Reason, Register, Version};
use quorate_workload::{
    Abandon, Clock, InvalidOptions, Limits, Observer, Options, Outcome, Recorder, TokioClock,
    Verdict, Workload, check, run,
};
use tokio_util::sync::CancellationToken;

fn recorder() -> Arc<Recorder> {
    Arc::new(Recorder::new(Arc::new(TokioClock::start())))
}

/// Never answers, and counts the calls that are in it.
#[derive(Default)]
struct Silent {
    calls: Arc<AtomicU64>,
}

struct Inside(Arc<AtomicU64>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Silent {
    async fn hang<T>(&self) -> T {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let _inside = Inside(self.calls.clone());
        std::future::pending().await
    }
}

#[async_trait]
impl Register for Silent {
    async fn get(&self, _: &Key, _: Option<Duration>) -> Result<Entry, OperationError> {
        self.hang().await
    }

    async fn set(&self, _: &Key, _: Bytes, _: Option<Duration>) -> Result<Version, OperationError> {
        self.hang().await
    }

    async fn delete(&self, _: &Key, _: Option<Duration>) -> Result<Version, OperationError> {
        self.hang().await
    }
}

/// Refuses every call at once.
struct Refusing;

#[async_trait]
impl Register for Refusing {
    async fn get(&self, _: &Key, _: Option<Duration>) -> Result<Entry, OperationError> {
        Err(OperationError::not_applied(Reason::Overloaded, "full"))
    }

    async fn set(&self, _: &Key, _: Bytes, _: Option<Duration>) -> Result<Version, OperationError> {
        Err(OperationError::not_applied(Reason::Overloaded, "full"))
    }

    async fn delete(&self, _: &Key, _: Option<Duration>) -> Result<Version, OperationError> {
        Err(OperationError::not_applied(Reason::Overloaded, "full"))
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_not_answered_are_abandoned_and_recorded_as_unknown() {
    let silent = Silent::default();
    let calls = silent.calls.clone();
    let options = Options {
        clients: 4,
        operations: 20,
        ..Options::default()
    };
    let register: Arc<dyn Register> = Arc::new(silent);
    let (recorder, stop) = (recorder(), CancellationToken::new());
    let history = run(&[register], &options, 1, &recorder, &stop)
        .await
        .unwrap();
    assert_eq!(history.operations.len(), 20);
    let unknown = |operation: &quorate_workload::Operation| operation.outcome == Outcome::Unknown;
    assert!(history.operations.iter().all(unknown));
    assert_eq!(calls.load(Ordering::SeqCst), 0, "every call was dropped");
    assert_eq!(recorder.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_run_ends_its_clients_and_records_their_calls() {
    let silent = Silent::default();
    let calls = silent.calls.clone();
    let register: Arc<dyn Register> = Arc::new(silent);
    let recorder = recorder();
    let options = Options::default();
    let (registers, stop) = ([register], CancellationToken::new());
    let mut running = Box::pin(run(&registers, &options, 1, &recorder, &stop));
    while calls.load(Ordering::SeqCst) < options.clients {
        tokio::select! {
            biased;
            _ = &mut running => panic!("no call is answered"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(running);
    while calls.load(Ordering::SeqCst) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(recorder.in_flight(), 0);
    let history = recorder.history();
    assert_eq!(history.operations.len() as u64, options.clients);
    assert!(
        history
            .operations
            .iter()
            .all(|operation| operation.outcome == Outcome::Unknown)
    );
}

#[tokio::test(start_paused = true)]
async fn the_stop_token_ends_the_run_although_calls_never_wait() {
    let register: Arc<dyn Register> = Arc::new(Memory::new(Bug::Nothing, 1));
    let stop = CancellationToken::new();
    let seen = Arc::new(AtomicU64::new(0));
    let (counter, stopper) = (seen.clone(), stop.clone());
    let observer: Observer = Arc::new(move |_| {
        if counter.fetch_add(1, Ordering::SeqCst) == 99 {
            stopper.cancel();
        }
    });
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::start());
    let recorder = Arc::new(Recorder::new(clock).with_observer(observer));
    let options = Options::default();
    let history = run(&[register], &options, 1, &recorder, &stop)
        .await
        .unwrap();
    // What was in flight then is still answered.
    assert!(
        (100..110).contains(&history.operations.len()),
        "{:?}",
        history.summary()
    );
    assert_eq!(seen.load(Ordering::SeqCst), history.operations.len() as u64);
}

/// A register that refuses at once must not make virtual time stand still.
#[tokio::test(start_paused = true)]
async fn clients_rest_after_a_failure() {
    let (recorder, stop) = (recorder(), CancellationToken::new());
    let began = tokio::time::Instant::now();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stopping.cancel();
    });
    let options = Options::default();
    let registers: [Arc<dyn Register>; 1] = [Arc::new(Refusing)];
    let history = run(&registers, &options, 1, &recorder, &stop)
        .await
        .unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(1), "virtual time");
    // Ten clients that rest 10 ms on average for a second.
    assert!(
        (800..1200).contains(&history.operations.len()),
        "{:?}",
        history.summary()
    );
    assert!(
        history
            .operations
            .iter()
            .all(|operation| operation.outcome == Outcome::Fail)
    );
}

#[tokio::test(start_paused = true)]
async fn every_register_is_called() {
    let silent = [Silent::default(), Silent::default(), Silent::default()];
    let calls = silent.each_ref().map(|silent| silent.calls.clone());
    let registers = silent.map(|silent| Arc::new(silent) as Arc<dyn Register>);
    let recorder = recorder();
    let (options, stop) = (Options::default(), CancellationToken::new());
    let running = run(&registers, &options, 1, &recorder, &stop);
    let all_called = async {
        let count = || calls.each_ref().map(|calls| calls.load(Ordering::SeqCst));
        while count() != [4, 3, 3] {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = running => panic!("no call is answered"),
        () = all_called => {}
    }
}

/// Real threads and real time: what `quorate verify` does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_on_several_threads() {
    let register: Arc<dyn Register> = Arc::new(Memory::new(Bug::Nothing, 1));
    let options = Options {
        clients: 32,
        operations: 1000,
        ..Options::default()
    };
    let (recorder, stop) = (recorder(), CancellationToken::new());
    let history = run(&[register], &options, 1, &recorder, &stop)
        .await
        .unwrap();
    assert_eq!(history.operations.len(), 1000);
    assert_eq!(
        check(&history, Limits::default()).verdict,
        Verdict::Linearizable
    );
}

#[tokio::test]
async fn options_outside_their_limits_are_named() {
    let error = async |change: fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        let registers: [Arc<dyn Register>; 1] = [Arc::new(Refusing)];
        let (recorder, stop) = (recorder(), CancellationToken::new());
        let error = run(&registers, &options, 1, &recorder, &stop)
            .await
            .unwrap_err();
        error.to_string()
    };
    let clients = error(|options| options.clients = 0).await;
    assert_eq!(clients, "clients is 0; a run has 1 to 10000 clients");
    let workload = |options: &mut Options| {
        options.workload = Workload {
            keys: 0,
            ..Workload::default()
        };
    };
    assert!(error(workload).await.starts_with("keys is 0"));
    let abandon = |options: &mut Options| {
        options.abandon = Some(Abandon {
            share: 1.5,
            within: Duration::ZERO,
        });
    };
    assert!(error(abandon).await.starts_with("abandon.share is 1.5"));
    let (recorder, stop) = (recorder(), CancellationToken::new());
    let none = run(&[], &Options::default(), 1, &recorder, &stop).await;
    assert_eq!(none, Err(InvalidOptions::NoRegister));
}
