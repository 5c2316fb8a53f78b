//! What a reconfigurer counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};
use quorate_runtime::metrics::{Registrar, registered};

use super::progress::{Ending, Step};

/// The metrics of one reconfigurer. Clones are the same metrics.
#[derive(Debug, Clone)]
pub struct ReconfigurationMetrics {
    changes: IntCounterVec,
    step: IntGaugeVec,
    blocked: IntGaugeVec,
    keys: IntCounter,
    conflicts: IntCounter,
    wanted: IntGauge,
}

impl ReconfigurationMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(registry: &impl Registrar) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help)?);
        let gauge_of = |name: &str, help: &str, label: &str| {
            registered(registry, IntGaugeVec::new(Opts::new(name, help), &[label])?)
        };
        let this = Self {
            changes: registered(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "quorate_reconfigurations_total",
                        "Changes of the members that this coordinator brought to their end, by how.",
                    ),
                    &["result"],
                )?,
            )?,
            step: gauge_of(
                "quorate_reconfiguration_step",
                "1 for the step at which this coordinator drives a change, 0 for the others.",
                "step",
            )?,
            blocked: gauge_of(
                "quorate_reconfiguration_blocked",
                "1 for the reason why the members are not as they should be.",
                "reason",
            )?,
            keys: counter(
                "quorate_transfer_keys_total",
                "Keys that this coordinator brought to a majority of a next group.",
            )?,
            conflicts: counter(
                "quorate_config_swap_conflicts_total",
                "Swaps of the agreed config that came second to another coordinator's.",
            )?,
            wanted: registered(
                registry,
                IntGauge::new(
                    "quorate_members_wanted",
                    "How many members are wanted; -1 while nobody knows.",
                )?,
            )?,
        };
        for ending in [Ending::Finished, Ending::Aborted] {
            this.changes.with_label_values(&[ending.word()]);
        }
        this.at(Step::Idle);
        this.wanted(None);
        Ok(this)
    }

    pub(super) fn ended(&self, ending: Ending) {
        self.changes.with_label_values(&[ending.word()]).inc();
    }

    pub(super) fn at(&self, step: Step) {
        for other in Step::ALL {
            let value = i64::from(other == step);
            self.step.with_label_values(&[other.word()]).set(value);
        }
    }

    pub(super) fn blocked(&self, reason: Option<&str>) {
        self.blocked.reset();
        if let Some(reason) = reason {
            self.blocked.with_label_values(&[reason]).set(1);
        }
    }

    pub(super) fn transferred(&self, keys: u64) {
        self.keys.inc_by(keys);
    }

    pub(super) fn conflict(&self) {
        self.conflicts.inc();
    }

    pub(super) fn wanted(&self, size: Option<usize>) {
        self.wanted.set(size.map_or(-1, |size| size as i64));
    }
}
