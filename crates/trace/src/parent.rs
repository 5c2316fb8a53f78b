//! What of a span travels with a request: the header `traceparent` of the W3C's Trace Context
//! (<https://www.w3.org/TR/trace-context/>), and from clients its `tracestate`.

use std::collections::HashMap;

use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The header, in metadata of gRPC too.
pub const TRACEPARENT: &str = "traceparent";

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// The one that came in these headers; `None` too for one that is not well-formed, since a
/// call is not refused for its trace.
pub fn of_headers(headers: &HeaderMap) -> Option<SpanContext> {
    headers.contains_key(TRACEPARENT).then_some(())?;
    extract(&Headers(headers))
}

/// The one in this text.
pub fn of_text(traceparent: &str) -> Option<SpanContext> {
    if traceparent.is_empty() {
        return None;
    }
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    extract(&carrier)
}

fn extract(carrier: &dyn Extractor) -> Option<SpanContext> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), carrier);
    let parent = context.span().span_context().clone();
    parent.is_valid().then_some(parent)
}

/// It as text: 55 characters.
pub fn to_text(parent: &SpanContext) -> String {
    let (trace, span) = (parent.trace_id(), parent.span_id());
    format!("00-{trace}-{span}-{:02x}", parent.trace_flags().to_u8() & 1)
}

/// It as a header.
pub fn to_header(parent: &SpanContext) -> HeaderValue {
    HeaderValue::try_from(to_text(parent)).expect("hexadecimal digits and hyphens")
}
