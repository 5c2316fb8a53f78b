//! Spans of operations that are not sampled and turn out to be worth a look.
//!
//! Whether an operation is slow or fails is known when it ends, and then it is too late to make
//! the spans of its parts. So of every operation the one span that stands for the whole of it is
//! recorded, and thrown away at its end unless it is [notable](quorate_trace::notable). That
//! holds one span per operation in flight, whose number is bounded.

use std::time::Duration;

use opentelemetry::trace::{Link, SpanContext, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, ShouldSample, Span, SpanData, SpanProcessor,
};
use quorate_trace::NOTABLE;

/// Records what serves a call although it is not sampled.
#[derive(Debug, Clone)]
pub(super) struct RecordOperations(pub(super) Sampler);

impl ShouldSample for RecordOperations {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let sampler = &self.0;
        let mut result = sampler.should_sample(parent, trace, name, kind, attributes, links);
        if result.decision == SamplingDecision::Drop && *kind == SpanKind::Server {
            result.decision = SamplingDecision::RecordOnly;
        }
        result
    }
}

/// Lets through what is sampled, and what is notable as if it were.
#[derive(Debug)]
pub(super) struct KeepNotable<P>(pub(super) P);

impl<P: SpanProcessor> SpanProcessor for KeepNotable<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        if !span.span_context.is_sampled() {
            let notable = |attribute: &KeyValue| attribute.key.as_str() == NOTABLE;
            if !span.attributes.iter().any(notable) {
                return;
            }
            span.span_context = sampled(&span.span_context);
        }
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Else nobody would send it.
fn sampled(span: &SpanContext) -> SpanContext {
    SpanContext::new(
        span.trace_id(),
        span.span_id(),
        span.trace_flags().with_sampled(true),
        span.is_remote(),
        span.trace_state().clone(),
    )
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor};
    use quorate_trace::{Parent, Traces, notable, parent};

    use super::*;

    #[tokio::test]
    async fn of_what_is_not_sampled_only_notable_operations_are_kept() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(RecordOperations(Sampler::ParentBased(Box::new(
                Sampler::AlwaysOff,
            ))))
            .with_span_processor(KeepNotable(SimpleSpanProcessor::new(exporter.clone())))
            .build();
        let traces = Traces::new(provider.tracer("test"));
        let unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        for (name, parent, is_notable) in [
            ("ordinary", None, false),
            ("slow", None, true),
            ("of a client", parent::of_text(unsampled), true),
        ] {
            let span = traces.serve(name, parent, Vec::new);
            let work = span.scope(async {
                assert!(!Parent::current().is_sampled(), "its parts have no spans");
                if is_notable {
                    notable("slow");
                }
            });
            work.await;
        }
        let spans = exporter.get_finished_spans().expect("it keeps them");
        let [slow, of_client] = &spans[..] else {
            panic!("two spans, not {spans:?}");
        };
        assert_eq!((&*slow.name, &*of_client.name), ("slow", "of a client"));
        assert!(slow.span_context.is_sampled());
        let client = parent::of_text(unsampled).expect("it is well-formed");
        assert_eq!(of_client.span_context.trace_id(), client.trace_id());
        assert_eq!(of_client.parent_span_id, client.span_id());
    }
}
