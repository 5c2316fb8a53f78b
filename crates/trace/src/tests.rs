//! Spans as an exporter in memory sees them.

use std::borrow::Cow;
use std::future::ready;

use futures::FutureExt;
use http::HeaderMap;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};

use super::*;

fn traces(sampler: Sampler) -> (Traces, SdkTracerProvider, InMemorySpanExporter) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_simple_exporter(exporter.clone())
        .build();
    (Traces::new(provider.tracer("test")), provider, exporter)
}

fn outcome(span: &SpanData) -> String {
    let outcome = |it: &&KeyValue| it.key.as_str() == "quorate.outcome";
    let outcome = span.attributes.iter().find(outcome);
    outcome.expect("each span has one").value.to_string()
}

/// What a future that never waits comes to. No executor: the exporter uses one itself.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("it waits for nothing")
}

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

#[test]
fn a_parent_is_the_same_after_its_travel_and_nonsense_is_none() {
    for text in [PARENT, UNSAMPLED] {
        let parent = parent::of_text(text).expect("it is well-formed");
        assert_eq!(parent::to_text(&parent), text);
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(parent::TRACEPARENT),
            parent::to_header(&parent),
        )]);
        let read = parent::of_headers(&headers).expect("it is there");
        assert_eq!(read, parent);
    }
    let zero = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
    for text in ["", "00", "nonsense", &PARENT[..52], zero] {
        assert_eq!(parent::of_text(text), None, "{text}");
    }
}

#[test]
fn what_is_begun_in_a_scope_is_a_child_and_ends_as_it_says() {
    let (traces, _provider, exporter) = traces(Sampler::AlwaysOff);
    let (on, _provider, exporter_on) =
        self::traces(Sampler::ParentBased(Box::new(Sampler::AlwaysOff)));
    let mut root = on.serve("Set", parent::of_text(PARENT), Vec::new);
    let inner = root.scope(async {
        let dropped = Span::begin(&Parent::current(), "phase", SpanKind::Internal, Vec::new);
        drop(dropped);
        current_trace()
    });
    let trace = now(inner).expect("there is one");
    assert_eq!(trace.to_string(), &PARENT[3..35]);
    assert_eq!(current_trace(), None, "the scope is left");
    root.end(Some(("overloaded", Cow::Borrowed("full"))));
    drop(root);
    let spans = exporter_on.get_finished_spans().expect("it keeps them");
    let [phase, set] = &spans[..] else {
        panic!("two spans, not {spans:?}");
    };
    assert_eq!(
        (&*phase.name, outcome(phase).as_str()),
        ("phase", "cancelled")
    );
    assert_eq!((&*set.name, outcome(set).as_str()), ("Set", "error"));
    assert_eq!(phase.parent_span_id, set.span_context.span_id());
    assert_eq!(phase.span_context.trace_id(), trace);
    assert_eq!(set.parent_span_id.to_string(), &PARENT[36..52]);

    // Not sampled: no spans, but a trace id for logs.
    let root = traces.serve("Set", None, Vec::new);
    let inner = root.scope(async {
        let child = Span::begin(&Parent::current(), "phase", SpanKind::Internal, Vec::new);
        (child.is_recording(), current_trace().is_some())
    });
    assert_eq!(now(inner), (false, true));
    drop(root);
    assert!(
        exporter
            .get_finished_spans()
            .expect("it keeps them")
            .is_empty()
    );
}

#[test]
fn nothing_is_traced_where_it_is_off() {
    let root = Traces::off().serve("Set", parent::of_text(PARENT), || panic!("nobody asks"));
    assert_eq!(now(root.scope(ready(current_trace()))), None);
    let parent = Traces::off().adopt(parent::of_text(PARENT));
    assert_eq!(parent.span_context(), None);
}

#[test]
fn what_is_given_up_is_dropped_in_its_scope_and_may_be_notable() {
    /// Says so when it is dropped.
    struct GivenUp;
    impl Drop for GivenUp {
        fn drop(&mut self) {
            notable("slow");
        }
    }
    let (traces, _provider, exporter) = traces(Sampler::AlwaysOn);
    let root = traces.serve("Set", None, Vec::new);
    let given_up = GivenUp;
    let mut waiting = Box::pin(root.scope(async move {
        let _given_up = given_up;
        std::future::pending::<()>().await;
    }));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(waiting);
    drop(root);
    let spans = exporter.get_finished_spans().expect("it keeps them");
    let notable = KeyValue::new(NOTABLE, "slow");
    assert!(spans[0].attributes.contains(&notable), "{spans:?}");
}
