//! `quorate bench`: how fast a store is.
//!
//! A closed loop: each of the clients in flight makes one operation after the other, for
//! every pair of a kind of operation and a number in flight. An operation counts if it ended
//! within the measured time, after a warm-up; it is tried once, so that no retry hides what
//! the store refuses. Once a whole measurement finds the store out of reach no other is made.

mod args;
mod cell;
mod load;
mod report;

use std::sync::Arc;

use quorate_client::{Client, ClientOptions, Register};
use quorate_workload::load::{Measurement, Processors};

use crate::progress::Progress;
use crate::{Context, Exit, Failure, Format};
pub use args::{Args, OperationKind};
use cell::Cell;

/// Measures everything that was asked for, and reports each measurement once it is made.
pub(crate) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let processors =
        Processors::new(&args.server_pid).map_err(|error| Failure::Other(error.to_string()))?;
    let progress = Progress::new(context.terminal.errors, args.output.output);
    load::load(&args, &progress).await?;
    progress.clear();
    let text = args.output.output == Format::Text;
    if text {
        for line in report::opening(&args, &processors, context.terminal.colours) {
            context.write_line(&line)?;
        }
    }
    let mut measurements: Vec<(Cell, Measurement)> = Vec::new();
    let mut stopped = None;
    for cell in cells(&args) {
        let registers = registers(&args, cell.connections)?;
        let measurement = cell::measure(&cell, &args, &registers, &processors, &progress).await?;
        progress.clear();
        if text {
            for line in report::lines(&cell, &measurement, context.terminal.colours) {
                context.write_line(&line)?;
            }
        }
        stopped = measurement
            .out_of_reach()
            .map(|error| report::stopped(&cell, error));
        measurements.push((cell, measurement));
        if stopped.is_some() {
            break;
        }
    }
    if !text {
        context.write_json(&report::json(&args, &measurements))?;
    }
    match stopped {
        Some(reason) => Err(Failure::Other(reason)),
        None => Ok(exit(&measurements)),
    }
}

/// What is measured, in this order.
fn cells(args: &Args) -> impl Iterator<Item = Cell> {
    args.operations.iter().flat_map(move |operation| {
        let each = args.concurrency.iter();
        each.map(move |in_flight| Cell::new(*operation, *in_flight, args))
    })
}

/// Clients with a connection each, spread over the endpoints.
fn registers(args: &Args, connections: usize) -> Result<Vec<Arc<dyn Register>>, Failure> {
    let client = |number| {
        let client = args.connection.client_with(ClientOptions {
            max_attempts: 1,
            first_endpoint: Some(number),
            ..ClientOptions::default()
        });
        client.map(|client: Client| Arc::new(client) as Arc<dyn Register>)
    };
    (0..connections).map(client).collect()
}

/// A run in which nothing succeeded is a failure. Some errors are a result.
fn exit(measurements: &[(Cell, Measurement)]) -> Exit {
    let succeeded = |(_, measurement): &(Cell, Measurement)| measurement.operations() > 0;
    match measurements.iter().any(succeeded) {
        true => Exit::DONE,
        false => Exit::FAILED,
    }
}
