//! Measurements for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use quorate_client::{Applied, OperationError};
use quorate_workload::load::{ErrorKind, Measurement, Processors};
use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::{Args, OperationKind};
use crate::failure::applied_word;
use crate::numbers::{counted, latency, rounded, seconds, thousands, three_digits};
use crate::table::{Align, Colour, Column, line, titles};

const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)];

/// Wide enough for any measurement, since lines are written as they are measured.
const COLUMNS: [Column; 11] = [
    Column {
        title: "OPERATION",
        align: Align::Left,
        width: 9,
    },
    Column::right("IN FLIGHT", 9),
    Column::right("PER SECOND", 10),
    Column::right("P50", 7),
    Column::right("P90", 7),
    Column::right("P99", 7),
    Column::right("P99.9", 7),
    Column::right("MAX", 7),
    Column::right("CLIENT CPU", 10),
    Column::right("SERVER CPU", 10),
    Column {
        title: "ERRORS",
        align: Align::Left,
        width: 0,
    },
];

/// What is going to be measured, and the titles of the table.
pub(super) fn opening(args: &Args, processors: &Processors, colours: bool) -> Vec<String> {
    let cpu = match processors.has_servers() {
        true => "CPU is processor time per operation.",
        false => "CPU is processor time per operation; --server-pid adds the store's.",
    };
    let what = format!(
        "{}, values of {}, {} each after {} of warm-up, closed loop at {}.",
        counted(args.keys.into(), "key"),
        counted(args.value_size as u64, "byte"),
        seconds(args.duration),
        seconds(args.warmup),
        args.connection.endpoint.join(", "),
    );
    vec![
        what,
        cpu.to_owned(),
        String::new(),
        titles(&COLUMNS, colours),
    ]
}

/// The line of a measurement; two for mixed operations.
pub(super) fn lines(cell: &Cell, measurement: &Measurement, colours: bool) -> Vec<String> {
    let tally = &measurement.tally;
    let rows = match cell.operation {
        OperationKind::Set => vec![("set", &tally.sets)],
        OperationKind::Get => vec![("get", &tally.gets)],
        OperationKind::Mixed => vec![("mixed set", &tally.sets), ("mixed get", &tally.gets)],
    };
    let rows = rows.into_iter().enumerate().map(|(at, (name, latencies))| {
        // What belongs to both is said once.
        let once = |text: String| if at == 0 { text } else { String::new() };
        let per_second = measurement.per_second(latencies.len());
        let mut cells = vec![
            (name.to_owned(), Colour::Bold),
            (once(thousands(cell.in_flight as u64)), Colour::Plain),
            (thousands(per_second.round() as u64), Colour::Bold),
        ];
        let shown = |ns| match latencies.is_empty() {
            true => ("-".to_owned(), Colour::Dim),
            false => (latency(Duration::from_nanos(ns)), Colour::Plain),
        };
        let quantiles = QUANTILES.map(|(_, quantile)| latencies.value_at_quantile(quantile));
        cells.extend(quantiles.map(shown));
        cells.push(shown(latencies.max()));
        for cpu in [measurement.client_us(), measurement.server_us()] {
            let text = cpu.map_or("-".to_owned(), |us| format!("{} µs", three_digits(us)));
            cells.push((once(text), Colour::Plain));
        }
        cells.push(match measurement.failures() {
            0 => (once("none".to_owned()), Colour::Plain),
            _ => (once(errors_text(&tally.errors)), Colour::Red),
        });
        line(&COLUMNS, &cells, colours)
    });
    rows.collect()
}

fn errors_text(errors: &BTreeMap<ErrorKind, u64>) -> String {
    let texts = errors.iter().map(|(kind, count)| {
        let unknown = match kind.has_no_effect {
            true => "",
            false => " (outcome unknown)",
        };
        format!("{} {}{unknown}", thousands(*count), kind.reason)
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// Why nothing more is measured after a measurement.
pub(super) fn stopped(cell: &Cell, error: &OperationError) -> String {
    let (operation, in_flight) = (cell.operation.word(), thousands(cell.in_flight as u64));
    let message = &error.message;
    format!("bench stopped: no {operation} with {in_flight} in flight succeeded: {message}")
}

/// All measurements as one object.
pub(super) fn json(args: &Args, measurements: &[(Cell, Measurement)]) -> Value {
    let cells = measurements
        .iter()
        .map(|(cell, measurement)| cell_json(cell, measurement));
    json!({
        "endpoints": args.connection.endpoint,
        "keys": args.keys,
        "value_bytes": args.value_size,
        "measurements": cells.collect::<Vec<_>>(),
    })
}

fn cell_json(cell: &Cell, measurement: &Measurement) -> Value {
    let tally = &measurement.tally;
    let errors = tally.errors.iter().map(|(kind, count)| {
        let applied = match kind.has_no_effect {
            true => Applied::No,
            false => Applied::Maybe,
        };
        json!({ "reason": kind.reason, "applied": applied_word(applied), "count": count })
    });
    json!({
        "operation": cell.operation.word(),
        "in_flight": cell.in_flight,
        "connections": cell.connections,
        "seconds": rounded(measurement.elapsed.as_secs_f64()),
        "operations": measurement.operations(),
        "operations_per_second": rounded(measurement.per_second(measurement.operations())),
        "set_latency_us": latency_json(&tally.sets),
        "get_latency_us": latency_json(&tally.gets),
        "errors": errors.collect::<Vec<_>>(),
        "client_cpu_us_per_operation": measurement.client_us().map(rounded),
        "server_cpu_us_per_operation": measurement.server_us().map(rounded),
    })
}

/// Microseconds; null when there was none.
fn latency_json(latencies: &Histogram<u64>) -> Value {
    if latencies.is_empty() {
        return Value::Null;
    }
    let us = |ns: f64| Value::from(rounded(ns / 1e3));
    let mut object = Map::new();
    object.insert("count".to_owned(), latencies.len().into());
    object.insert("mean".to_owned(), us(latencies.mean()));
    for (name, quantile) in QUANTILES {
        let ns = latencies.value_at_quantile(quantile);
        object.insert(name.to_owned(), us(ns as f64));
    }
    object.insert("max".to_owned(), us(latencies.max() as f64));
    Value::Object(object)
}
