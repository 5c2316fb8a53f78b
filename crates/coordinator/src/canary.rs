//! A write and a read every few seconds, so that no traffic does not look like health.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus::{Gauge, HistogramOpts, HistogramVec, IntCounterVec, Opts};
use quorate_register::{Entropy, Entry, Key, OperationError, Register, Version};
use quorate_runtime::metrics::{Registrar, registered};
use tokio::time::{Instant, sleep};

use crate::Coordinator;
use crate::metrics::outcome;
use crate::operation::as_canary;

/// What the canary counts. Clones are the same metrics.
#[derive(Debug, Clone)]
pub struct CanaryMetrics {
    operations: IntCounterVec,
    duration: HistogramVec,
    since_success: Gauge,
}

impl CanaryMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(registry: &impl Registrar) -> Result<Self, prometheus::Error> {
        let labels = ["operation"];
        let buckets = prometheus::exponential_buckets(0.000_5, 2.0, 16)?;
        let duration = HistogramOpts::new(
            "quorate_canary_duration_seconds",
            "Time of the operations this coordinator performs to test itself.",
        );
        let this = Self {
            operations: registered(
                registry,
                IntCounterVec::new(
                    Opts::new(
                        "quorate_canary_operations_total",
                        "Operations this coordinator performs to test itself, by outcome. Operations of clients count elsewhere, and these count there too.",
                    ),
                    &["operation", "outcome"],
                )?,
            )?,
            duration: registered(
                registry,
                HistogramVec::new(duration.buckets(buckets), &labels)?,
            )?,
            since_success: registered(
                registry,
                Gauge::new(
                    "quorate_canary_since_success_seconds",
                    "Seconds since this coordinator last read back what it wrote, or since it started.",
                )?,
            )?,
        };
        for operation in ["set", "get"] {
            this.operations.with_label_values(&[operation, "ok"]);
        }
        Ok(this)
    }

    fn ended<T>(&self, operation: &str, result: &Result<T, OperationError>, began: Instant) {
        let outcome = result.as_ref().err().map_or("ok", outcome);
        self.operations
            .with_label_values(&[operation, outcome])
            .inc();
        let duration = self.duration.with_label_values(&[operation]);
        duration.observe(began.elapsed().as_secs_f64());
    }
}

/// Writes a key that no client can name, and reads it back.
pub struct Canary {
    coordinator: Arc<Coordinator>,
    metrics: CanaryMetrics,
    key: Key,
    interval: Duration,
}

/// How many keys all canaries of a store share: their number must not grow with each coordinator.
const KEYS: u128 = 16;

/// The longest that one operation may take.
const TIMEOUT: Duration = Duration::from_secs(5);

impl Canary {
    /// One that performs operations of `coordinator` every `interval`.
    pub fn new(
        coordinator: Arc<Coordinator>,
        metrics: CanaryMetrics,
        interval: Duration,
        entropy: &dyn Entropy,
    ) -> Self {
        let name = format!("canary/{}", entropy.bits() % KEYS);
        let key = Key::reserved(&name);
        Self {
            coordinator,
            metrics,
            key,
            interval,
        }
    }

    /// Never ends. While no config is known there is nothing to try, and the time since the last
    /// success grows all the same.
    pub async fn run(self) {
        let mut succeeded = Instant::now();
        loop {
            sleep(self.interval).await;
            if self.coordinator.membership().view().is_some() {
                match as_canary(self.round()).await {
                    Ok(()) => succeeded = Instant::now(),
                    Err(error) => tracing::debug!(%error, "the canary failed"),
                }
            }
            let since = succeeded.elapsed().as_secs_f64();
            self.metrics.since_success.set(since);
        }
    }

    async fn round(&self) -> Result<(), OperationError> {
        let began = Instant::now();
        let value = Bytes::from_static(b"canary");
        let written = self.coordinator.set(&self.key, value, Some(TIMEOUT)).await;
        self.metrics.ended("set", &written, began);
        let written = written?;
        let began = Instant::now();
        let read = self.coordinator.get(&self.key, Some(TIMEOUT)).await;
        self.metrics.ended("get", &read, began);
        if is_stale(&read?, written) {
            self.coordinator.violations().stale_read.inc();
            tracing::error!("a read returned an older version than was written before it");
        }
        Ok(())
    }
}

/// Whether a read that began after the write of `written` had ended returned less. Others write
/// the key too, but nobody deletes it.
fn is_stale(read: &Entry, written: Version) -> bool {
    read.version < written || read.value.is_none()
}
