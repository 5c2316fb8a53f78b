//! Traces: which parts an operation consisted of, on every machine that took part in it.
//!
//! A [`Span`] is one such part. It is begun under another one, its parent, which may be on
//! another machine: then a [`parent`] travelled with the request, in the form of the W3C's
//! Trace Context. Which span is the parent is not passed from function to function. A future
//! that belongs to a span is polled [within](Span::scope) it, and what it begins becomes a
//! child. So the domain knows nothing of traces.
//!
//! Only spans that are *sampled* are made. That is decided once for each trace, where it
//! begins, and where tracing is [off](Traces::off) none is. Then each place that would begin a
//! span costs a look at one thread-local variable.
//!
//! No key and no value goes into a span.

pub mod parent;
mod scope;
mod span;
#[cfg(test)]
mod tests;

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::trace::SdkTracer;

pub use opentelemetry::KeyValue;
pub use opentelemetry::trace::{SpanContext, SpanKind, TraceId};
pub use scope::Scoped;
pub use span::Span;

/// The attribute of an operation that somebody should look at: why.
pub const NOTABLE: &str = "quorate.notable";

/// Where spans go, or nowhere. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<SdkTracer>);

impl Traces {
    /// No traces at all.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Those that this tracer takes, which also decides which are sampled.
    pub const fn new(tracer: SdkTracer) -> Self {
        Self(Some(tracer))
    }

    /// Whether there may be any.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A part of somebody else's trace, or the first of a new one: the span of a call that is
    /// served here.
    ///
    /// One that is not sampled is no span, but logs within its scope have its trace id.
    pub fn serve(
        &self,
        name: &'static str,
        parent: Option<SpanContext>,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Span {
        match self.within(parent) {
            Some(context) => Span::root(&context, name, attributes),
            None => Span::none(),
        }
    }

    /// Where the spans belong that a call makes which came with this parent.
    pub fn adopt(&self, parent: Option<SpanContext>) -> Parent {
        match parent {
            Some(parent) if parent.is_sampled() => Parent(self.within(Some(parent))),
            _ => Parent(None),
        }
    }

    fn within(&self, parent: Option<SpanContext>) -> Option<Context> {
        let tracer = self.0.clone()?;
        let context = Context::new().with_value(tracer);
        Some(match parent {
            Some(parent) => context.with_remote_span_context(parent),
            None => context,
        })
    }
}

/// A span under which others are begun, if it is sampled. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Parent(Option<Context>);

impl Parent {
    /// The span in whose scope this is called.
    pub fn current() -> Self {
        Self(Context::map_current(|context| {
            let sampled = context.span().span_context().is_sampled();
            sampled.then(|| context.clone())
        }))
    }

    /// Whether there is one.
    pub const fn is_sampled(&self) -> bool {
        self.0.is_some()
    }

    /// What goes along with a request, if anything.
    pub fn span_context(&self) -> Option<SpanContext> {
        let context = self.0.as_ref()?;
        Some(context.span().span_context().clone())
    }

    /// The future, in the scope of this span.
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped::new(future, self.0.clone())
    }
}

/// The trace in whose scope this is called, sampled or not.
pub fn current_trace() -> Option<TraceId> {
    Context::map_current(|context| {
        let id = context.span().span_context().trace_id();
        (id != TraceId::INVALID).then_some(id)
    })
}

/// Says of the operation in whose scope this is called that somebody should look at it, and
/// why. A span that is recorded but not sampled may be kept for it.
pub fn notable(reason: &'static str) {
    Context::map_current(|context| {
        let span = context.span();
        span.set_attribute(KeyValue::new(NOTABLE, reason));
    });
}
