//! Counts what becomes of spans, and bounds how many wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use prometheus::{IntCounter, IntCounterVec, Opts};

use crate::metrics::{Registrar, registered};
use crate::telemetry::Quota;

/// The most spans that wait to be sent, or are being sent.
pub(super) const MAX_WAITING: usize = 4096;

/// Of each problem one is logged per so much time.
const LOGGED_EVERY: Duration = Duration::from_secs(60);

/// What became of spans: sent, or dropped and why. Clones are the same.
#[derive(Debug, Clone)]
pub struct TraceMetrics {
    waiting: Arc<AtomicUsize>,
    sent: IntCounter,
    queue_full: IntCounter,
    not_taken: IntCounter,
}

impl TraceMetrics {
    /// Registers the metric.
    ///
    /// # Errors
    /// When the registry has it already.
    pub fn new(registry: &impl Registrar) -> Result<Self, prometheus::Error> {
        let help = "Spans that ended, by what became of them: sent to the collector, or dropped \
            because too many waited (queue_full) or it did not take them (not_taken).";
        let opts = Opts::new("quorate_trace_spans_total", help);
        let spans = registered(registry, IntCounterVec::new(opts, &["result"])?)?;
        Ok(Self {
            waiting: Arc::default(),
            sent: spans.with_label_values(&["sent"]),
            queue_full: spans.with_label_values(&["queue_full"]),
            not_taken: spans.with_label_values(&["not_taken"]),
        })
    }

    /// Takes a place in the queue, if there is one.
    fn enter(&self) -> bool {
        let more = |waiting| (waiting < MAX_WAITING).then_some(waiting + 1);
        let entered = self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if entered.is_err() {
            self.queue_full.inc();
        }
        entered.is_ok()
    }
}

/// Lets spans through while there is room.
#[derive(Debug)]
pub(super) struct Counted<P> {
    next: P,
    counts: TraceMetrics,
    logged: Quota,
}

impl<P> Counted<P> {
    pub(super) fn new(next: P, counts: TraceMetrics) -> Self {
        Self {
            next,
            counts,
            logged: Quota::new(1, LOGGED_EVERY),
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for Counted<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.counts.enter() {
            self.next.on_end(span);
        } else if let Some(left_out) = self.logged.take() {
            tracing::warn!(
                limit = MAX_WAITING,
                left_out,
                "a span is dropped: too many wait for the collector"
            );
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// Sends spans, and counts whether they were taken.
#[derive(Debug)]
pub(super) struct CountedExporter<E> {
    next: E,
    counts: TraceMetrics,
    logged: Quota,
}

impl<E> CountedExporter<E> {
    pub(super) fn new(next: E, counts: TraceMetrics) -> Self {
        Self {
            next,
            counts,
            logged: Quota::new(1, LOGGED_EVERY),
        }
    }
}

impl<E: SpanExporter> SpanExporter for CountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.next.export(batch).await;
        self.counts.waiting.fetch_sub(spans, Ordering::Relaxed);
        match &result {
            Ok(()) => self.counts.sent.inc_by(spans as u64),
            Err(error) => {
                self.counts.not_taken.inc_by(spans as u64);
                if let Some(left_out) = self.logged.take() {
                    tracing::warn!(spans, left_out, %error, "the collector did not take spans");
                }
            }
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
    use prometheus::Registry;

    use super::*;

    #[derive(Debug)]
    struct Unreachable;

    impl SpanExporter for Unreachable {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Err(OTelSdkError::InternalFailure("nobody is there".to_owned()))
        }
    }

    #[test]
    fn each_span_is_counted_once_and_no_more_wait_than_may() {
        let counts = TraceMetrics::new(&Registry::new()).expect("the registry is empty");
        for _ in 0..MAX_WAITING {
            assert!(counts.enter());
        }
        assert!(!counts.enter());
        assert_eq!(counts.queue_full.get(), 1);

        let counts = TraceMetrics::new(&Registry::new()).expect("the registry is empty");
        let exporter = CountedExporter::new(Unreachable, counts.clone());
        let batches = BatchSpanProcessor::builder(exporter).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Counted::new(batches, counts.clone()))
            .build();
        for _ in 0..3 {
            drop(provider.tracer("test").start("span"));
        }
        // Whether that is an error is not what this is about.
        let _ = provider.force_flush();
        assert_eq!((counts.not_taken.get(), counts.sent.get()), (3, 0));
        assert_eq!(counts.waiting.load(Ordering::Relaxed), 0);
    }
}
