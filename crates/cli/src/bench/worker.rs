//! One client in flight.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use quorate_client::{Key, OperationError, Register};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use tokio::time::{Instant, sleep};

use super::cell::Stage;
use super::{Args, OperationKind};
use crate::failure::applied_word;

/// How long a client rests after a failure: a store that refuses at once is not to be asked
/// as fast as a processor can.
const REST: Duration = Duration::from_millis(10);

/// What all clients of a measurement do.
#[derive(Debug)]
pub(super) struct Plan {
    operation: OperationKind,
    set_percent: u8,
    keys: Vec<Key>,
    value: Bytes,
}

impl Plan {
    pub(super) fn new(operation: OperationKind, args: &Args) -> Self {
        Self {
            operation,
            set_percent: args.set_percent,
            keys: (0..args.keys).map(|number| args.key(number)).collect(),
            value: value(args.value_size),
        }
    }

    fn sets(&self, rng: &mut impl Rng) -> bool {
        match self.operation {
            OperationKind::Set => true,
            OperationKind::Get => false,
            OperationKind::Mixed => rng.random_range(0..100) < self.set_percent,
        }
    }
}

/// A value that no compression makes smaller.
pub(super) fn value(size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    SmallRng::seed_from_u64(0).fill_bytes(&mut bytes);
    bytes.into()
}

/// What was measured.
#[derive(Debug)]
pub(super) struct Tally {
    /// Latencies of successful sets, in nanoseconds.
    pub(super) sets: Histogram<u64>,
    /// Latencies of successful gets, in nanoseconds.
    pub(super) gets: Histogram<u64>,
    /// How many failed, by reason and whether applied.
    pub(super) errors: BTreeMap<(&'static str, &'static str), u64>,
    /// Whether any succeeded, at any time: also in the warm-up, or after the end.
    pub(super) any_succeeded: bool,
    /// The error of one that failed, at any time.
    pub(super) last_error: Option<OperationError>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sets: histogram(),
            gets: histogram(),
            errors: BTreeMap::new(),
            any_succeeded: false,
            last_error: None,
        }
    }
}

/// Why nothing that is recorded can fail.
const GROWS: &str = "a histogram that grows takes every value";

fn histogram() -> Histogram<u64> {
    // It grows as needed; three digits are 0.1 %.
    Histogram::new(3).expect("three digits are supported")
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.sets.add(other.sets).expect(GROWS);
        self.gets.add(other.gets).expect(GROWS);
        self.any_succeeded |= other.any_succeeded;
        self.last_error = other.last_error.or(self.last_error.take());
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }

    fn note(&mut self, sets: bool, latency: Duration, result: Result<(), OperationError>) {
        if let Err(error) = result {
            let kind = (error.reason.as_str(), applied_word(error.applied));
            *self.errors.entry(kind).or_default() += 1;
            return;
        }
        let latencies = if sets { &mut self.sets } else { &mut self.gets };
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        latencies.record(nanoseconds).expect(GROWS);
    }
}

/// Makes one operation after the other.
pub(super) struct Worker {
    pub(super) plan: Arc<Plan>,
    pub(super) register: Arc<dyn Register>,
    pub(super) stage: Arc<Stage>,
    /// All operations that ended, of all clients and in every stage.
    pub(super) ended: Arc<AtomicU64>,
}

impl Worker {
    /// Runs until the measurement is over; the operation that is in flight then ends first.
    pub(super) async fn run(self, number: u64) -> Tally {
        let mut rng = SmallRng::seed_from_u64(number);
        let mut tally = Tally::default();
        while !self.stage.is_over() {
            let sets = self.plan.sets(&mut rng);
            let key = &self.plan.keys[rng.random_range(0..self.plan.keys.len())];
            let began = Instant::now();
            let result = match sets {
                true => {
                    let value = self.plan.value.clone();
                    self.register.set(key, value, None).await.map(drop)
                }
                false => self.register.get(key, None).await.map(drop),
            };
            let latency = began.elapsed();
            let failed = match &result {
                Ok(()) => {
                    tally.any_succeeded = true;
                    false
                }
                Err(error) => {
                    tally.last_error = Some(error.clone());
                    true
                }
            };
            if self.stage.is_measuring() {
                tally.note(sets, latency, result);
            }
            self.ended.fetch_add(1, Ordering::Relaxed);
            if failed {
                sleep(REST).await;
            }
        }
        tally
    }
}
