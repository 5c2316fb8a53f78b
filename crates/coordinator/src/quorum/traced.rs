//! The spans of phases and of attempts.

use std::borrow::Cow;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use quorate_register::ReplicaError;
use quorate_trace::{KeyValue, Parent, Scoped, Span, SpanKind};

use super::call::Failure;
use super::{GivenUp, Method, Phase, Progress};
use crate::membership::Target;

/// The span of a phase, part of the operation in whose scope it begins.
pub(super) fn phase(phase: Phase) -> Span {
    Span::begin(&Parent::current(), "phase", SpanKind::Internal, || {
        vec![KeyValue::new("quorate.phase", phase.name())]
    })
}

/// Says how a phase ended, and how many answers it needed and received: of the group that is
/// furthest from its majority, if there are two.
pub(super) fn end_phase(span: &mut Span, progress: &Progress, failure: Option<&Failure>) {
    if span.is_recording()
        && let Some(round) = progress.latest()
    {
        let missing = |it: &quorate_register::Shortfall| it.needed.saturating_sub(it.received);
        if let Some(group) = round.shortfalls().into_iter().max_by_key(missing) {
            span.set("quorate.needed", group.needed as i64);
            span.set("quorate.received", group.received as i64);
        }
    }
    span.end(failure.map(|failure| match failure {
        Failure::Impossible => ("impossible", Cow::Borrowed("no quorum is possible")),
        Failure::Exhausted => ("exhausted", Cow::Borrowed("the key takes no more writes")),
    }));
}

/// What the attempts of a round that is traced share. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct TracedRound(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    phase: Parent,
    /// Why those attempts that did not end were given up.
    given_up: OnceLock<GivenUp>,
}

impl TracedRound {
    /// That of a round of the phase in whose scope this is called, if that is sampled.
    pub(super) fn current() -> Option<Self> {
        let phase = Parent::current();
        phase.is_sampled().then(|| {
            let given_up = OnceLock::new();
            Self(Arc::new(Shared { phase, given_up }))
        })
    }

    /// Notes why the attempts that are left are about to be dropped.
    pub(super) fn give_up(&self, reason: GivenUp) {
        // The first reason is the one.
        let _ = self.0.given_up.set(reason);
    }
}

/// The span of an attempt, which says why it was given up if it does not [end](Self::end).
pub(super) struct AttemptSpan<'a> {
    span: Span,
    round: Option<&'a TracedRound>,
}

impl<'a> AttemptSpan<'a> {
    /// The span of this attempt at a member.
    pub(super) fn begin(
        round: Option<&'a TracedRound>,
        target: &Target,
        method: Method,
        number: u32,
    ) -> Self {
        let span = round.map_or_else(Span::none, |round| {
            Span::begin(&round.0.phase, "attempt", SpanKind::Client, || {
                vec![
                    KeyValue::new("rpc.system.name", "grpc"),
                    KeyValue::new("rpc.method", rpc_method(method)),
                    KeyValue::new("server.address", target.pod.to_string()),
                    KeyValue::new("quorate.replica", target.pod.to_string()),
                    KeyValue::new("quorate.attempt.number", i64::from(number)),
                ]
            })
        });
        Self { span, round }
    }

    /// The future, in the scope of this span.
    pub(super) fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        self.span.scope(future)
    }

    /// Says how an attempt ended that was not given up.
    pub(super) fn end(mut self, error: Option<&ReplicaError>) {
        self.round = None;
        if self.span.is_recording() {
            let error = error.map(|error| (error.code(), Cow::Owned(error.to_string())));
            self.span.end(error);
        }
    }
}

impl Drop for AttemptSpan<'_> {
    fn drop(&mut self) {
        if let Some(reason) = self.round.and_then(|round| round.0.given_up.get()) {
            self.span.set("quorate.cancelled_by", reason.name());
        }
    }
}

fn rpc_method(method: Method) -> &'static str {
    match method {
        Method::Read => "quorate.v1.Replica/LocalRead",
        Method::ReadTimestamp => "quorate.v1.Replica/LocalReadTimestamp",
        Method::Write => "quorate.v1.Replica/LocalWrite",
    }
}
