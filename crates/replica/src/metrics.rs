//! What a replica counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts};
use quorate_register::HeldConfig;
use quorate_runtime::metrics::{Registrar, registered};

use crate::store::Space;

/// The metrics of one replica, each with its pod's name as the label `member`, so that the
/// replicas of one process (`quorate dev`) stay apart. Clones are the same metrics.
#[derive(Debug, Clone)]
pub struct ReplicaMetrics {
    local_writes: IntCounterVec,
    commit_duration: Histogram,
    sync_duration: Histogram,
    commit_batch: Histogram,
    queued: IntGauge,
    in_flight: IntGaugeVec,
    keys: IntGauge,
    tombstone_ratio: Gauge,
    bytes: IntGauge,
    /// Without a series until it is known: none would look like a full disk.
    free_bytes: IntGaugeVec,
    capacity_bytes: IntGaugeVec,
    epoch: IntGauge,
    violations: IntCounterVec,
    disk_full: Arc<AtomicBool>,
}

impl ReplicaMetrics {
    /// Registers the metrics of the replica in `pod`.
    ///
    /// # Errors
    /// When the registry has metrics of that replica already.
    pub fn new(registry: &impl Registrar, pod: &str) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(name, help).const_label("member", pod);
        let histogram = |name: &str, help: &str, buckets: Vec<f64>| {
            let opts = HistogramOpts::from(opts(name, help)).buckets(buckets);
            registered(registry, Histogram::with_opts(opts)?)
        };
        let gauge = |name, help| registered(registry, IntGauge::with_opts(opts(name, help))?);
        let known_later =
            |name, help| registered(registry, IntGaugeVec::new(opts(name, help), &[])?);
        let both_roles = |name, help| opts(name, help).const_label("role", "replica");
        let this = Self {
            local_writes: registered(
                registry,
                IntCounterVec::new(
                    opts(
                        "quorate_local_writes_total",
                        "Writes this replica acknowledged: applied, or late because a larger timestamp was stored already.",
                    ),
                    &["result"],
                )?,
            )?,
            commit_duration: histogram(
                "quorate_commit_duration_seconds",
                "Time to make a batch durable, its sync included.",
                prometheus::exponential_buckets(0.000_05, 2.0, 16)?,
            )?,
            sync_duration: histogram(
                "quorate_sync_duration_seconds",
                "Time to write a batch to the log and sync it: the disk's part of a commit.",
                prometheus::exponential_buckets(0.000_05, 2.0, 16)?,
            )?,
            commit_batch: histogram(
                "quorate_commit_batch_size",
                "Pairs stored by one sync.",
                prometheus::exponential_buckets(1.0, 2.0, 11)?,
            )?,
            queued: gauge(
                "quorate_commit_queue_length",
                "Writes and adoptions waiting for the committer.",
            )?,
            in_flight: registered(
                registry,
                IntGaugeVec::new(
                    opts(
                        "quorate_replica_requests_in_flight",
                        "Requests this replica is working on.",
                    ),
                    &["method"],
                )?,
            )?,
            keys: gauge(
                "quorate_store_keys",
                "Keys in the store, tombstones included, approximately.",
            )?,
            tombstone_ratio: registered(
                registry,
                Gauge::with_opts(opts(
                    "quorate_store_tombstone_ratio",
                    "Share of the keys that are tombstones, from 0 to 1, in the latest samples of the store.",
                ))?,
            )?,
            bytes: gauge("quorate_store_bytes", "Bytes the store takes on disk.")?,
            free_bytes: known_later(
                "quorate_store_free_bytes",
                "Bytes the file system has left for the store.",
            )?,
            capacity_bytes: known_later(
                "quorate_store_capacity_bytes",
                "Bytes of the file system the store is on.",
            )?,
            epoch: registered(
                registry,
                IntGauge::with_opts(both_roles(
                    "quorate_config_epoch",
                    "Epoch number of the config served under.",
                ))?,
            )?,
            violations: registered(
                registry,
                IntCounterVec::new(
                    both_roles(
                        "quorate_invariant_violations_total",
                        "Things the protocol excludes. Must stay 0.",
                    ),
                    &["invariant"],
                )?,
            )?,
            disk_full: Arc::default(),
        };
        this.begin_at_zero();
        Ok(this)
    }

    /// Makes the series that alarms watch, so that their first event is an increase.
    fn begin_at_zero(&self) {
        for invariant in [
            "config_went_back",
            "corruption",
            "fork",
            "timestamp_conflict",
            "timestamp_went_back",
        ] {
            self.violations.with_label_values(&[invariant]);
        }
    }

    /// Counts a request in until the guard is dropped, however the request ends.
    pub(crate) fn begin(&self, method: &'static str) -> InFlight {
        let gauge = self.in_flight.with_label_values(&[method]);
        gauge.inc();
        InFlight(gauge)
    }

    pub(crate) fn wrote(&self, result: &'static str, pairs: u64) {
        self.local_writes.with_label_values(&[result]).inc_by(pairs);
    }

    pub(crate) fn committed(&self, pairs: usize, took: Duration, synced: Duration) {
        self.commit_batch.observe(pairs as f64);
        self.sync_duration.observe(synced.as_secs_f64());
        self.commit_duration.observe(took.as_secs_f64());
    }

    pub(crate) fn disk(&self, space: Space, full: bool) {
        let set = |gauge: &IntGaugeVec, bytes| {
            gauge.with_label_values::<&str>(&[]).set(saturate(bytes));
        };
        set(&self.free_bytes, space.free_bytes);
        set(&self.capacity_bytes, space.capacity_bytes);
        self.disk_full.store(full, Ordering::Relaxed);
    }

    pub(crate) fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }

    pub(crate) fn store(&self, keys: u64, bytes: u64, queued: usize) {
        self.keys.set(saturate(keys));
        self.bytes.set(saturate(bytes));
        self.queued.set(saturate(queued as u64));
    }

    pub(crate) fn tombstones(&self, ratio: f64) {
        self.tombstone_ratio.set(ratio);
    }

    pub(crate) fn adopted(&self, held: Option<&HeldConfig>) {
        let number = held.map_or(0, |held| held.config.epoch().number);
        self.epoch.set(saturate(number));
    }

    pub(crate) fn violated(&self, invariant: &'static str) {
        self.violations.with_label_values(&[invariant]).inc();
    }

    /// How often this invariant was violated.
    pub fn violations_of(&self, invariant: &str) -> u64 {
        self.violations.with_label_values(&[invariant]).get()
    }

    /// How many forks were met: another config of the same epoch, or one that does not descend
    /// from the held one.
    pub fn forks(&self) -> u64 {
        self.violations_of("fork")
    }

    /// How many requests are in flight, over all methods.
    pub fn requests_in_flight(&self) -> i64 {
        use prometheus::core::Collector;
        let families = self.in_flight.collect();
        let metrics = families.iter().flat_map(|family| family.get_metric());
        metrics
            .map(|metric| metric.get_gauge().get_value() as i64)
            .sum()
    }

    /// How many invariants were violated, over all of them.
    pub fn violations(&self) -> u64 {
        use prometheus::core::Collector;
        let families = self.violations.collect();
        let metrics = families.iter().flat_map(|family| family.get_metric());
        metrics
            .map(|metric| metric.get_counter().get_value() as u64)
            .sum()
    }
}

/// A request being worked on.
pub(crate) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn saturate(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
