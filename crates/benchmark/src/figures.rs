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
    /// Bytes that the disk was given to write, per operation.
    BytesWritten,
    /// Bytes of page cache that all server processes made dirty, per operation, as the kernel
    /// counts: whole folios, see [`Disk`](crate::disk::Disk).
    BytesDirtied,
}

impl Figure {
    /// In the order of a report.
    pub(crate) const ALL: [Self; 8] = [
        Self::Throughput,
        Self::ServerCpu,
        Self::ClientCpu,
        Self::P50,
        Self::P99,
        Self::Max,
        Self::BytesWritten,
        Self::BytesDirtied,
    ];

    /// Its name and unit, for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Throughput => "operations/s",
            Self::ServerCpu => "server CPU, µs/op",
            Self::ClientCpu => "client CPU, µs/op",
            Self::P50 => "p50, ms",
            Self::P99 => "p99, ms",
            Self::Max => "max, ms",
            Self::BytesWritten => "written to disk, bytes/op",
            Self::BytesDirtied => "dirtied in memory, bytes/op",
        }
    }

    /// Whether it is about what was written.
    pub(crate) fn is_of_writes(self) -> bool {
        matches!(self, Self::BytesWritten | Self::BytesDirtied)
    }

    /// Whether a larger figure is the better one.
    pub(crate) fn more_is_better(self) -> bool {
        self == Self::Throughput
    }
}

/// Bytes written per operation; not numbers where they are not known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) to_disk: f64,
    pub(crate) to_memory: f64,
}

/// The figures of one turn.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    #[serde(flatten)]
    values: BTreeMap<Figure, f64>,
    /// Operations that failed; a run with any is worth nothing.
    pub(crate) errors: u64,
    /// What the last one that failed said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
}

impl Figures {
    /// Of a measurement, and of what was written per operation.
    pub(crate) fn new(measurement: &Measurement, written: Written) -> Self {
        let latencies = measurement.tally.latencies();
        let ms = |ns: u64| ns as f64 / 1e6;
        let quantile = |quantile| ms(latencies.value_at_quantile(quantile));
        let known = |us: Option<f64>| us.unwrap_or(f64::NAN);
        let value = |figure| match figure {
            Figure::Throughput => measurement.per_second(measurement.operations()),
            Figure::ServerCpu => known(measurement.server_us()),
            Figure::ClientCpu => known(measurement.client_us()),
            Figure::P50 => quantile(0.5),
            Figure::P99 => quantile(0.99),
            Figure::Max => ms(latencies.max()),
            Figure::BytesWritten => written.to_disk,
            Figure::BytesDirtied => written.to_memory,
        };
        let last_error = measurement.tally.last_error.as_ref();
        Self {
            values: Figure::ALL.map(|figure| (figure, value(figure))).into(),
            errors: measurement.failures(),
            last_error: last_error.map(ToString::to_string),
        }
    }

    /// One of them; not a number where there was no operation to divide by.
    pub(crate) fn get(&self, figure: Figure) -> f64 {
        self.values[&figure]
    }
}
