//! What was counted.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use quorate_register::OperationError;

use super::plan::Kind;

/// Why nothing that is recorded can fail.
const GROWS: &str = "a histogram that grows takes every value";

/// Latencies and errors.
#[derive(Debug)]
pub struct Tally {
    /// Latencies of successful sets, in nanoseconds.
    pub sets: Histogram<u64>,
    /// Latencies of successful gets, in nanoseconds.
    pub gets: Histogram<u64>,
    /// How many failed, by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// How many ended, well or not, at any time: also in the warm-up, or after the end.
    pub ended: u64,
    /// Whether any succeeded, at any time: also in the warm-up, or after the end.
    pub any_succeeded: bool,
    /// The error of one that failed, at any time.
    pub last_error: Option<OperationError>,
}

/// What tells errors apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErrorKind {
    /// [`Reason::as_str`](quorate_register::Reason::as_str).
    pub reason: &'static str,
    /// Whether they surely have no effect.
    pub has_no_effect: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sets: histogram(),
            gets: histogram(),
            errors: BTreeMap::new(),
            ended: 0,
            any_succeeded: false,
            last_error: None,
        }
    }
}

fn histogram() -> Histogram<u64> {
    // It grows as needed; three digits are 0.1 %.
    Histogram::new(3).expect("three digits are supported")
}

impl Tally {
    /// Latencies of sets and gets alike, in nanoseconds.
    pub fn latencies(&self) -> Histogram<u64> {
        let mut all = self.sets.clone();
        all.add(&self.gets).expect(GROWS);
        all
    }

    /// How many succeeded.
    pub fn operations(&self) -> u64 {
        self.sets.len() + self.gets.len()
    }

    /// How many failed.
    pub fn failures(&self) -> u64 {
        self.errors.values().sum()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.sets.add(other.sets).expect(GROWS);
        self.gets.add(other.gets).expect(GROWS);
        self.ended += other.ended;
        self.any_succeeded |= other.any_succeeded;
        self.last_error = other.last_error.or(self.last_error.take());
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }

    /// Notes how an operation ended; its latency, or its failure, only if it `counts`.
    pub(super) fn note(
        &mut self,
        kind: Kind,
        latency: Duration,
        result: Result<(), OperationError>,
        counts: bool,
    ) {
        self.ended += 1;
        match result {
            Ok(()) => {
                self.any_succeeded = true;
                if counts {
                    let latencies = match kind {
                        Kind::Set => &mut self.sets,
                        Kind::Get => &mut self.gets,
                    };
                    let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
                    latencies.record(nanoseconds).expect(GROWS);
                }
            }
            Err(error) => {
                if counts {
                    let kind = ErrorKind {
                        reason: error.reason.as_str(),
                        has_no_effect: error.has_no_effect(),
                    };
                    *self.errors.entry(kind).or_default() += 1;
                }
                self.last_error = Some(error);
            }
        }
    }
}
