//! The spans of requests and of commits.

use std::borrow::Cow;

use quorate_register::ReplicaError;
use quorate_trace::{KeyValue, Parent, Span, SpanContext, SpanKind};

/// The span of a request, within the attempt that it answers. `rpc_method` is its full name.
pub(crate) fn request(name: &'static str, rpc_method: &'static str, pod: &str) -> Span {
    Span::begin(&Parent::current(), name, SpanKind::Server, || {
        vec![
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", rpc_method),
            KeyValue::new("quorate.replica", pod.to_owned()),
        ]
    })
}

/// Says how a request ended.
pub(crate) fn answered(span: &mut Span, error: Option<&ReplicaError>) {
    if span.is_recording() {
        span.end(error.map(|error| (error.code(), Cow::Owned(error.to_string()))));
    }
}

/// How many requests of its batch a commit is linked to at most.
const MAX_LINKS: usize = 128;

/// One span per request whose write is in a batch, since each belongs to a trace of its own.
/// The first is linked to all requests of the batch, and the others to the first.
pub(crate) fn commit(requests: &[Parent], pairs: usize) -> Vec<Span> {
    let mut commits: Vec<Span> = Vec::with_capacity(requests.len());
    for request in requests {
        let attributes = || vec![KeyValue::new("quorate.batch.pairs", pairs as i64)];
        let links = || -> Vec<SpanContext> {
            match commits.first() {
                Some(first) => first.span_context().into_iter().collect(),
                None => {
                    let others = requests.iter().skip(1).take(MAX_LINKS);
                    others.filter_map(Parent::span_context).collect()
                }
            }
        };
        let commit = Span::begin_linked(request, "commit", SpanKind::Internal, attributes, links);
        commits.push(commit);
    }
    commits
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
    use quorate_trace::Traces;

    use super::*;

    #[test]
    fn the_commits_of_a_batch_are_linked_over_their_traces() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        let traces = Traces::new(provider.tracer("test"));
        let mut operations: Vec<_> = (0..3)
            .map(|_| traces.serve("Set", None, Vec::new))
            .collect();
        let parents: Vec<_> = operations.iter().map(Span::parent).collect();
        for mut commit in commit(&parents, 3) {
            commit.end(None);
        }
        operations.iter_mut().for_each(|it| it.end(None));
        drop(operations);

        let spans = exporter.get_finished_spans().unwrap();
        let named =
            |name| -> Vec<&SpanData> { spans.iter().filter(|it| it.name == name).collect() };
        let (sets, commits) = (named("Set"), named("commit"));
        let trace = |span: &SpanData| span.span_context.trace_id();
        assert_eq!(commits.len(), 3);
        for (set, commit) in sets.iter().zip(&commits) {
            assert_eq!(
                trace(set),
                trace(commit),
                "each is in the trace of its operation"
            );
        }
        let linked = |span: &SpanData| -> Vec<_> {
            span.links
                .iter()
                .map(|it| it.span_context.trace_id())
                .collect()
        };
        assert_eq!(linked(commits[0]), [trace(sets[1]), trace(sets[2])]);
        assert_eq!(linked(commits[1]), [trace(commits[0])]);
        assert_eq!(linked(commits[2]), [trace(commits[0])]);
    }
}
