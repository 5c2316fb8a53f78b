//! One part of an operation.

use std::borrow::Cow;
use std::future::Future;

use opentelemetry::trace::{Link, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::SdkTracer;

use crate::{Parent, Scoped};

/// How a span ended that was dropped before its end was known: what it stands for was given up.
const CANCELLED: &str = "cancelled";

/// The attribute that says how a span ended.
const OUTCOME: &str = "quorate.outcome";

/// One part of an operation, or nothing where that is not sampled. It lasts until it is
/// dropped. Its outcome is `cancelled` unless [`Self::end`] says otherwise.
#[derive(Debug, Default)]
#[must_use = "a span lasts until it is dropped"]
pub struct Span {
    context: Option<Context>,
    ended: bool,
}

impl Span {
    /// Nothing.
    pub const fn none() -> Self {
        Self {
            context: None,
            ended: false,
        }
    }

    /// The span of a call that is served here; `context` has the tracer.
    pub(crate) fn root(
        context: &Context,
        name: &'static str,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Self {
        Self::start(context, name, SpanKind::Server, attributes, Vec::new())
    }

    /// A part of `parent`, if that is sampled.
    pub fn begin(
        parent: &Parent,
        name: &'static str,
        kind: SpanKind,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Self {
        Self::begin_linked(parent, name, kind, attributes, Vec::new)
    }

    /// A part of `parent`, if that is sampled, which has to do with these other spans too.
    pub fn begin_linked(
        parent: &Parent,
        name: &'static str,
        kind: SpanKind,
        attributes: impl FnOnce() -> Vec<KeyValue>,
        links: impl FnOnce() -> Vec<SpanContext>,
    ) -> Self {
        match &parent.0 {
            Some(context) => Self::start(context, name, kind, attributes, links()),
            None => Self::none(),
        }
    }

    fn start(
        context: &Context,
        name: &'static str,
        kind: SpanKind,
        attributes: impl FnOnce() -> Vec<KeyValue>,
        links: Vec<SpanContext>,
    ) -> Self {
        // One that an application began, in whose process this is a client.
        let Some(tracer) = context.get::<SdkTracer>() else {
            return Self::none();
        };
        let links = links.into_iter().map(|link| Link::new(link, Vec::new(), 0));
        let builder = tracer
            .span_builder(name)
            .with_kind(kind)
            .with_attributes(attributes())
            .with_links(links.collect());
        let span = tracer.build_with_context(builder, context);
        Self {
            context: Some(context.with_span(span)),
            ended: false,
        }
    }

    /// This span as the parent of others, if it is sampled.
    pub fn parent(&self) -> Parent {
        let sampled = |context: &&Context| context.span().span_context().is_sampled();
        Parent(self.context.as_ref().filter(sampled).cloned())
    }

    /// What others may be linked to.
    pub fn span_context(&self) -> Option<SpanContext> {
        let context = self.context.as_ref()?;
        Some(context.span().span_context().clone())
    }

    /// The future, in the scope of this span.
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        Scoped::new(future, self.context.clone())
    }

    /// Whether anybody will see what is [set](Self::set).
    pub fn is_recording(&self) -> bool {
        let recording = |context: &Context| context.span().is_recording();
        self.context.as_ref().is_some_and(recording)
    }

    /// Sets an attribute.
    pub fn set(&self, name: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.context {
            context.span().set_attribute(KeyValue::new(name, value));
        }
    }

    /// Says how it ended: `ok`, or as an error with this code and message.
    pub fn end(&mut self, error: Option<(&'static str, Cow<'static, str>)>) {
        match error {
            None => self.outcome("ok"),
            Some((code, message)) => {
                self.refuse(code);
                if let Some(context) = &self.context {
                    context.span().set_status(Status::error(message));
                }
            }
        }
    }

    /// Says that it ended with an error which is the caller's: OpenTelemetry's conventions leave
    /// the status unset then.
    pub fn refuse(&mut self, code: &'static str) {
        self.outcome("error");
        self.set("error.type", code);
    }

    fn outcome(&mut self, outcome: &'static str) {
        self.ended = true;
        self.set(OUTCOME, outcome);
    }
}

/// Others may still hold it as their parent, so it is ended and not only let go.
impl Drop for Span {
    fn drop(&mut self) {
        let Some(context) = &self.context else {
            return;
        };
        let span = context.span();
        if !self.ended && span.is_recording() {
            span.set_attribute(KeyValue::new(OUTCOME, CANCELLED));
        }
        span.end();
    }
}
