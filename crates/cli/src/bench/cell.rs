//! One measurement: a kind of operation with a number in flight.

use std::sync::Arc;
use std::time::Duration;

use quorate_client::Register;
use quorate_workload::KeyDistribution;
use quorate_workload::load::{
    self, Completions, Load, Measurement, Plan, ProcessorTime, Processors,
};
use tokio::time::{Instant, interval};

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

/// Makes one measurement with these registers, one per connection.
pub(super) async fn measure(
    cell: &Cell,
    args: &Args,
    registers: &[Arc<dyn Register>],
    processors: &Processors,
    progress: &Progress,
) -> Result<Measurement, Failure> {
    let plan = Arc::new(plan(cell.operation, args));
    let load = Load::closed(plan, registers, cell.in_flight);
    let label = format!(
        "{} with {} in flight",
        cell.operation.word(),
        cell.in_flight
    );
    progress.begin(&label, args.warmup + args.duration);
    wait(args.warmup, load.completions(), progress).await;
    let before = sample(processors)?;
    let began = Instant::now();
    load.measure();
    wait(args.duration, load.completions(), progress).await;
    let elapsed = began.elapsed();
    load.stop();
    let after = sample(processors)?;
    Ok(Measurement {
        elapsed,
        tally: load.finish().await,
        processors: after.since(&before),
    })
}

fn plan(operation: OperationKind, args: &Args) -> Plan {
    let set_percent = match operation {
        OperationKind::Set => 100,
        OperationKind::Get => 0,
        OperationKind::Mixed => args.set_percent,
    };
    let value = load::value(args.value_size);
    Plan::new(args.keys(), KeyDistribution::Uniform, set_percent, value)
        .expect("the flag's parser checked that there are keys")
}

/// Reads the processor time.
pub(super) fn sample(processors: &Processors) -> Result<ProcessorTime, Failure> {
    let sampled = processors.sample();
    sampled.map_err(|error| Failure::Other(error.to_string()))
}

/// Waits, and shows meanwhile how many operations end.
async fn wait(duration: Duration, completions: &Completions, progress: &Progress) {
    let until = Instant::now() + duration;
    let mut ticks = interval(TICK);
    while Instant::now() < until {
        let next = ticks.tick();
        if tokio::time::timeout_at(until, next).await.is_err() {
            return;
        }
        progress.show(completions.ended());
    }
}
