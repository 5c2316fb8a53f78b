//! The span of an operation, with the attributes that OpenTelemetry's conventions give calls
//! and databases (<https://opentelemetry.io/docs/specs/semconv/>).

use quorate_register::OperationError;
use quorate_trace::{KeyValue, Span, SpanContext, Traces};
use tonic::Code;

use crate::convert::operation::Wanted;
use crate::error::code;

/// What is traced.
#[derive(Debug, Clone, Copy)]
pub(super) enum TracedOperation {
    Get,
    Set,
    Delete,
}

impl TracedOperation {
    pub(super) fn of(wanted: &Wanted) -> Self {
        match wanted {
            Wanted::Get(_) => Self::Get,
            Wanted::Set(..) => Self::Set,
            Wanted::Delete(_) => Self::Delete,
        }
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Get => ("Get", "quorate.v1.Register/Get"),
            Self::Set => ("Set", "quorate.v1.Register/Set"),
            Self::Delete => ("Delete", "quorate.v1.Register/Delete"),
        }
    }
}

/// The span of an operation that is served here, under the one it came with.
pub(super) fn served(
    traces: &Traces,
    operation: TracedOperation,
    parent: Option<SpanContext>,
) -> Span {
    let (name, method) = operation.names();
    traces.serve(name, parent, || {
        vec![
            KeyValue::new("rpc.system.name", "grpc"),
            KeyValue::new("rpc.method", method),
            KeyValue::new("db.system.name", "quorate"),
            KeyValue::new("db.operation.name", name),
        ]
    })
}

/// An operation, performed within its span, which says how it ended.
pub(super) async fn observed<A>(
    mut span: Span,
    operation: impl Future<Output = Result<A, OperationError>>,
) -> Result<A, OperationError> {
    let result = span.scope(operation).await;
    answered(&mut span, result.as_ref().err());
    result
}

/// Says how the operation ended.
fn answered(span: &mut Span, error: Option<&OperationError>) {
    if !span.is_recording() {
        return;
    }
    let code = error.map_or(Code::Ok, |error| code(error.reason, error.applied));
    span.set("rpc.response.status_code", status_name(code));
    match error {
        Some(error) if is_callers(code) => span.refuse(error.reason.as_str()),
        // The message names pods and limits, and never a key or a value.
        _ => span.end(error.map(|error| (error.reason.as_str(), error.message.clone().into()))),
    }
}

/// Whether the conventions for gRPC hold a server innocent of it.
fn is_callers(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::OutOfRange
    )
}

/// The name of a status, as gRPC spells it; of those that operations end with.
fn status_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        _ => "UNKNOWN",
    }
}
