//! Runs the workload and records it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_client::{ClientOptions, Register};
use quorate_runtime::{Signals, SystemSignals};
use quorate_workload::{
    History, Operation, Options, Recorder, TokioClock, Workload, run as run_clients,
};
use tokio::time::{Instant, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::Args;
use super::counting::{Counting, ErrorCounts, Errors};
use crate::Failure;
use crate::progress::Progress;

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(100);

/// How a recorded workload was run.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Random; every key begins with it.
    pub(super) id: String,
    pub(super) seed: u64,
    pub(super) clients: u64,
    pub(super) keys: u64,
    pub(super) elapsed: Duration,
    pub(super) errors: Errors,
    /// What the last failure said.
    pub(super) last_error: Option<String>,
}

/// Runs it until its time is over, or it is interrupted.
pub(super) async fn run(args: &Args, progress: &Progress) -> Result<(History, Run), Failure> {
    // Fails at once, with a clear error, where nobody listens.
    let client = args.connection.client()?;
    client.status(None).await.map_err(Failure::of("status"))?;

    let id = format!("{:016x}", rand::random::<u64>());
    // Of 32 bits, which everything that reads JSON takes as they are.
    let seed = args.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let errors = ErrorCounts::default();
    let registers = registers(args, &errors)?;
    let ended = Arc::new(AtomicU64::new(0));
    let observer = {
        let ended = ended.clone();
        Arc::new(move |_: &Operation| {
            ended.fetch_add(1, Ordering::Relaxed);
        })
    };
    let recorder = Recorder::new(Arc::new(TokioClock::start())).with_observer(observer);
    let recorder = Arc::new(recorder);
    let options = options(args, &id);
    let stop = CancellationToken::new();
    let clients = run_clients(&registers, &options, seed, &recorder, &stop);
    let began = Instant::now();
    let clients = async {
        let history = clients.await;
        // There may be no more operations to make before the time is over.
        stop.cancel();
        history
    };
    progress.begin("verifying", args.duration);
    let watch = watch(args.duration, &stop, &ended, progress);
    let (history, ()) = tokio::join!(clients, watch);
    let history = history.map_err(|error| Failure::Usage(error.to_string()))?;
    let run = Run {
        id,
        seed,
        clients: args.clients,
        keys: args.keys,
        elapsed: began.elapsed(),
        errors: errors.counts(),
        last_error: errors.last(),
    };
    Ok((history, run))
}

fn options(args: &Args, id: &str) -> Options {
    Options {
        clients: args.clients,
        operations: args.operations,
        workload: Workload {
            keys: usize::try_from(args.keys).unwrap_or(usize::MAX),
            key_prefix: format!("quorate-verify-{id}-"),
            ..Workload::default()
        },
        timeout: args.connection.timeout,
        ..Options::default()
    }
}

/// A client per endpoint, each of which begins with another, so that different coordinators
/// are asked at the same time.
fn registers(args: &Args, errors: &ErrorCounts) -> Result<Vec<Arc<dyn Register>>, Failure> {
    let register = |endpoint| {
        let register = args.connection.client_with(ClientOptions {
            first_endpoint: Some(endpoint),
            ..ClientOptions::default()
        })?;
        let errors = errors.clone();
        Ok(Arc::new(Counting { register, errors }) as Arc<dyn Register>)
    };
    (0..args.connection.endpoint.len()).map(register).collect()
}

/// Shows progress until the time is over, and stops the clients then.
async fn watch(
    duration: Duration,
    stop: &CancellationToken,
    ended: &AtomicU64,
    progress: &Progress,
) {
    let mut ticks = interval(TICK);
    let show = async {
        loop {
            ticks.tick().await;
            progress.show(ended.load(Ordering::Relaxed));
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = sleep(duration) => {}
        () = interrupted() => {}
        () = show => {}
    }
    stop.cancel();
}

/// Ends when a person presses Ctrl-C, or a supervisor ends the program; never, where that cannot be
/// noticed.
async fn interrupted() {
    match SystemSignals::new() {
        Ok(mut signals) => {
            signals.receive().await;
        }
        Err(_) => std::future::pending().await,
    }
}
