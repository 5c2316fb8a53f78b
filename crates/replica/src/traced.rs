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
