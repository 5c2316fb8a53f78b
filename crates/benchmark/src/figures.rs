//! What one turn of one system is measured by.

use std::collections::BTreeMap;

use quorate_workload::load::Measurement;
use serde::Serialize;

/// A kind of figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    /// Operations per second.
    Throughput,
    /// Microseconds of processor time per operation, of all server processes.
    ServerCpu,
    /// Microseconds of processor time per operation, of the generator.
    ClientCpu,
    /// Median latency, in milliseconds.
    P50,
    /// Latency that one of a hundred operations exceeds, in milliseconds.
    P99,
    /// The longest latency, in milliseconds.
    Max,
    /// Bytes that all server processes caused to be written to disk, per operation.
    BytesWritten,
}

impl Figure {
    /// In the order of a report.
    pub(crate) const ALL: [Self; 7] = [
        Self::Throughput,
        Self::ServerCpu,
        Self::ClientCpu,
        Self::P50,
        Self::P99,
        Self::Max,
        Self::BytesWritten,
    ];

    /// Its name and unit, for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Throughput => "operations/s",
            Self::ServerCpu => "server CPU, us/op",
            Self::ClientCpu => "client CPU, us/op",
            Self::P50 => "p50, ms",
            Self::P99 => "p99, ms",
            Self::Max => "max, ms",
            Self::BytesWritten => "written, bytes/op",
        }
    }

    /// Whether a larger figure is the better one.
    pub(crate) fn more_is_better(self) -> bool {
        self == Self::Throughput
    }
}

/// The figures of one turn.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    #[serde(flatten)]
    values: BTreeMap<Figure, f64>,
    /// Operations that failed, with an example; a run with any is worth nothing.
    pub(crate) errors: u64,
    /// What the last one that failed said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
}

impl Figures {
    /// Of a measurement in which the servers wrote so many bytes.
    pub(crate) fn new(measurement: &Measurement, bytes_written: u64) -> Self {
        let latencies = measurement.tally.latencies();
        let ms = |ns: u64| ns as f64 / 1e6;
        let operations = measurement.operations();
        let values = [
            (Figure::Throughput, measurement.per_second(operations)),
            (
                Figure::ServerCpu,
                measurement.server_us().unwrap_or(f64::NAN),
            ),
            (
                Figure::ClientCpu,
                measurement.client_us().unwrap_or(f64::NAN),
            ),
            (Figure::P50, ms(latencies.value_at_quantile(0.5))),
            (Figure::P99, ms(latencies.value_at_quantile(0.99))),
            (Figure::Max, ms(latencies.max())),
            (
                Figure::BytesWritten,
                bytes_written as f64 / operations as f64,
            ),
        ];
        let last_error = measurement.tally.last_error.as_ref();
        Self {
            values: values.into(),
            errors: measurement.failures(),
            last_error: last_error.map(ToString::to_string),
        }
    }

    /// One of them; not a number where there was no operation to divide by.
    pub(crate) fn get(&self, figure: Figure) -> f64 {
        self.values[&figure]
    }
}
