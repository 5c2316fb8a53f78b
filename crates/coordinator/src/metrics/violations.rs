//! What the protocol excludes, counted where it can be seen cheaply.

use prometheus::{IntCounter, IntCounterVec, Opts};
use quorate_runtime::metrics::{Registrar, registered};

/// The violations that a coordinator sees. Clones are the same counters.
#[derive(Debug, Clone)]
pub struct Violations {
    /// Two configs were active of which neither descends from the other.
    pub(crate) fork: IntCounter,
    /// The canary read less than it had written.
    pub(crate) stale_read: IntCounter,
    /// An operation returned an older version than one that had ended before it began.
    pub(crate) version_order: IntCounter,
}

impl Violations {
    /// Registers the counters, each at zero, so that its first event is an increase.
    pub(super) fn new(registry: &impl Registrar) -> Result<Self, prometheus::Error> {
        let counters = IntCounterVec::new(
            Opts::new(
                "quorate_invariant_violations_total",
                "Things the protocol excludes. Must stay 0.",
            )
            .const_label("member", "")
            .const_label("role", "coordinator"),
            &["invariant"],
        )?;
        let counters = registered(registry, counters)?;
        let of = |invariant| counters.with_label_values(&[invariant]);
        Ok(Self {
            fork: of("fork"),
            stale_read: of("stale_read"),
            version_order: of("version_order"),
        })
    }

    /// How many there were, of any kind.
    pub fn total(&self) -> u64 {
        self.fork.get() + self.stale_read.get() + self.version_order.get()
    }
}
