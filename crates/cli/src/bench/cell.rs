//! One measurement: a kind of operation with a number in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use quorate_client::Register;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::measurement::Measurement;
use super::processor::Processors;
use super::worker::{Plan, Tally, Worker};
use super::{Args, OperationKind};
use crate::Failure;
use crate::progress::Progress;

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(100);

/// What is measured at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) operation: OperationKind,
    pub(super) in_flight: usize,
    pub(super) connections: usize,
}

impl Cell {
    pub(super) fn new(operation: OperationKind, in_flight: u32, args: &Args) -> Self {
        let in_flight = in_flight as usize;
        Self {
            operation,
            in_flight,
            connections: args.connections(in_flight),
        }
    }
}

/// Where a measurement is; what ends counts only in the middle.
#[derive(Debug, Default)]
pub(super) struct Stage(AtomicU8);

impl Stage {
    const WARMUP: u8 = 0;
    const MEASURING: u8 = 1;
    const OVER: u8 = 2;

    pub(super) fn is_measuring(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::MEASURING
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == Self::OVER
    }

    fn enter(&self, stage: u8) {
        debug_assert!(stage > Self::WARMUP, "it begins with the warm-up");
        self.0.store(stage, Ordering::Relaxed);
    }
}

/// Makes one measurement with these registers, one per connection.
pub(super) async fn measure(
    cell: &Cell,
    args: &Args,
    registers: &[Arc<dyn Register>],
    processors: &Processors,
    progress: &Progress,
) -> Result<Measurement, Failure> {
    let stage = Arc::new(Stage::default());
    let ended = Arc::new(AtomicU64::new(0));
    let plan = Arc::new(Plan::new(cell.operation, args));
    let mut workers = JoinSet::new();
    for (number, register) in (0..cell.in_flight).zip(registers.iter().cycle()) {
        let worker = Worker {
            plan: plan.clone(),
            register: register.clone(),
            stage: stage.clone(),
            ended: ended.clone(),
        };
        workers.spawn(worker.run(number as u64));
    }
    let label = format!(
        "{} with {} in flight",
        cell.operation.word(),
        cell.in_flight
    );
    progress.begin(&label, args.warmup + args.duration);
    wait(args.warmup, &ended, progress).await;
    let before = processors.sample()?;
    let began = Instant::now();
    stage.enter(Stage::MEASURING);
    wait(args.duration, &ended, progress).await;
    let elapsed = began.elapsed();
    stage.enter(Stage::OVER);
    let after = processors.sample()?;
    let mut tally = Tally::default();
    while let Some(worker) = workers.join_next().await {
        match worker {
            Ok(part) => tally.add(part),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    Ok(Measurement {
        elapsed,
        tally,
        processors: after.since(&before),
    })
}

/// Waits, and shows meanwhile how many operations end.
async fn wait(duration: Duration, ended: &AtomicU64, progress: &Progress) {
    let until = Instant::now() + duration;
    let mut ticks = interval(TICK);
    while Instant::now() < until {
        let next = ticks.tick();
        if tokio::time::timeout_at(until, next).await.is_err() {
            return;
        }
        progress.show(ended.load(Ordering::Relaxed));
    }
}
