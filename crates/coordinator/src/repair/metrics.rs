//! What repair counts.

use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGaugeVec, Opts};
use quorate_runtime::metrics::{Registrar, registered};
use tokio::time::Instant;

use super::status::RepairStatus;
use crate::metrics::forget_others;

/// The values of the label `result`.
pub(super) const RESULTS: [&str; 4] = ["equal", "repaired", "incomplete", "superseded"];

/// The metrics of one repairer. Clones are the same metrics.
#[derive(Debug, Clone)]
pub struct RepairMetrics {
    keys: IntCounterVec,
    lag: IntGaugeVec,
    since_in_step: GaugeVec,
    rounds: IntCounterVec,
    pairs_read: IntCounter,
}

impl RepairMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(registry: &impl Registrar) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, label: &str| {
            registered(
                registry,
                IntCounterVec::new(Opts::new(name, help), &[label])?,
            )
        };
        let this = Self {
            keys: counter(
                "quorate_repair_keys_total",
                "Keys that this coordinator's repair copied to the member.",
                "member",
            )?,
            lag: registered(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "quorate_repair_lag_buckets",
                        "In how many of the 65536 buckets of keys the member lacked something when it was last compared, less those repaired since.",
                    ),
                    &["member"],
                )?,
            )?,
            since_in_step: registered(
                registry,
                GaugeVec::new(
                    Opts::new(
                        "quorate_repair_since_in_step_seconds",
                        "Seconds since a round of repair after which the member had all that was found at any, or since this coordinator began to compare it.",
                    ),
                    &["member"],
                )?,
            )?,
            rounds: counter(
                "quorate_repair_rounds_total",
                "Comparisons of all members: equal, repaired, incomplete (a member did not answer or refused) or superseded (by a newer config).",
                "result",
            )?,
            pairs_read: registered(
                registry,
                IntCounter::new(
                    "quorate_repair_pairs_read_total",
                    "Pairs that this coordinator's repair read at members.",
                )?,
            )?,
        };
        for result in RESULTS {
            this.rounds.with_label_values(&[result]);
        }
        Ok(this)
    }

    pub(super) fn copied(&self, pod: &str, keys: u64) {
        self.keys.with_label_values(&[pod]).inc_by(keys);
    }

    pub(super) fn read(&self, pairs: usize) {
        self.pairs_read.inc_by(pairs as u64);
    }

    pub(super) fn ended(&self, result: &str) {
        self.rounds.with_label_values(&[result]).inc();
    }

    /// Shows what is known; members that left take their series along, and those that came begin
    /// at zero copied keys, since a rate does not see the first value of a series.
    pub(super) fn show(&self, status: &RepairStatus, compared_since: Instant) {
        self.lag.reset();
        self.since_in_step.reset();
        let members: Vec<_> = status.members.iter().map(|it| it.pod.as_str()).collect();
        forget_others(&self.keys, &members);
        for member in &status.members {
            let labels = [member.pod.as_str()];
            self.keys.with_label_values(&labels);
            if let Some(buckets) = member.lag_buckets {
                let buckets = i64::try_from(buckets).unwrap_or(i64::MAX);
                self.lag.with_label_values(&labels).set(buckets);
            }
            let since = member.in_step.unwrap_or(compared_since);
            let gauge = self.since_in_step.with_label_values(&labels);
            gauge.set(since.elapsed().as_secs_f64());
        }
    }
}
