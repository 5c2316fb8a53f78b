//! What a coordinator counts of its dealings with the Kubernetes API.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::{Gauge, GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};
use quorate_runtime::metrics::{Registrar, registered};

/// A verb and a resource, as in a Role.
type Right = (&'static str, &'static str);

/// The series; clones share them.
#[derive(Debug, Clone)]
pub struct KubernetesMetrics {
    calls: IntCounterVec,
    missing_rights: IntGaugeVec,
    /// Those of which the gauge is 1.
    missing: Arc<Mutex<BTreeSet<Right>>>,
    watch_age: GaugeVec,
    swaps: IntCounterVec,
    lease_held: IntGauge,
    events_dropped: IntCounter,
}

impl KubernetesMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(registry: &impl Registrar) -> Result<Self, prometheus::Error> {
        let this = Self {
            calls: registered(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "quorate_kubernetes_calls_total",
                        "Calls to the Kubernetes API by how they were answered.",
                    ),
                    &["verb", "resource", "code"],
                )?,
            )?,
            missing_rights: registered(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "quorate_kubernetes_missing_right",
                        "1 while the service account lacks a right that was needed.",
                    ),
                    &["verb", "resource"],
                )?,
            )?,
            missing: Arc::default(),
            watch_age: registered(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "quorate_kubernetes_watch_age_seconds",
                        "How long ago the API last told what there is; +Inf before the first time.",
                    ),
                    &["resource"],
                )?,
            )?,
            swaps: registered(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "quorate_kubernetes_swaps_total",
                        "Writes to the objects that move by compare-and-swap, by how they ended.",
                    ),
                    &["object", "result"],
                )?,
            )?,
            lease_held: registered(
                registry,
                IntGauge::new(
                    "quorate_lease_held",
                    "1 while this coordinator holds the Lease, which only saves work.",
                )?,
            )?,
            events_dropped: registered(
                registry,
                IntCounter::new(
                    "quorate_kubernetes_events_dropped_total",
                    "Events that were not published: too many, or the API did not take them.",
                )?,
            )?,
        };
        for object in ["config", "boots"] {
            for result in ["swapped", "conflict", "failed"] {
                this.swaps.with_label_values(&[object, result]);
            }
        }
        Ok(this)
    }

    pub(super) fn answered(&self, verb: &'static str, resource: &'static str, code: &str) {
        self.calls.with_label_values(&[verb, resource, code]).inc();
        let right = (verb, resource);
        let mut missing = self.missing.lock();
        match code == "forbidden" {
            true => missing.insert(right),
            false => missing.remove(&right),
        };
        self.show(right, missing.contains(&right));
    }

    /// The rights, verb and resource, whose lack the latest call that needed them met.
    pub(super) fn missing_rights(&self) -> Vec<Right> {
        self.missing.lock().iter().copied().collect()
    }

    /// A right that was missing is there.
    pub(super) fn granted(&self, verb: &'static str, resource: &'static str) {
        let right = (verb, resource);
        self.missing.lock().remove(&right);
        self.show(right, false);
    }

    fn show(&self, (verb, resource): Right, missing: bool) {
        let gauge = self.missing_rights.with_label_values(&[verb, resource]);
        gauge.set(i64::from(missing));
    }

    pub(super) fn watch_age(&self, resource: &str) -> Gauge {
        self.watch_age.with_label_values(&[resource])
    }

    pub(super) fn swap_ended(&self, object: &str, result: &str) {
        self.swaps.with_label_values(&[object, result]).inc();
    }

    pub(super) fn lease_is_held(&self, held: bool) {
        self.lease_held.set(i64::from(held));
    }

    pub(super) fn event_dropped(&self) {
        self.events_dropped.inc();
    }
}
