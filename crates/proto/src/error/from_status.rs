//! From a status back to the error, also when something on the way made the status.

use std::collections::BTreeMap;
use std::error::Error;
use std::iter::successors;

use quorate_register::{Applied, OperationError, Reason};
use tonic::{Code, Status};
use tonic_types::{ErrorInfo, StatusExt};

use super::{APPLIED, DOMAIN, NO};

/// What a failed call would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Nothing: a Get or Status.
    Read,
    /// A Set or Delete.
    Write,
}

/// Whether anything of a failed call's message left this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Surely nothing, so nobody can have acted on it.
    Nothing,
    /// All or a part of it.
    Something,
}

/// The error that a status carries. Without the details of a coordinator (a proxy answered,
/// the connection broke) a write is not applied only if nothing of it was `sent`, or the server
/// did not look at it.
pub fn from_status(status: &Status, call: Call, sent: Sent) -> OperationError {
    let details = status.get_error_details();
    let mut error = match details.error_info() {
        Some(info) if info.domain == DOMAIN => explained(info, status.message()),
        _ => unexplained(status, sent),
    };
    error.retry_after = details.retry_info().and_then(|info| info.retry_delay);
    if call == Call::Read {
        error.applied = Applied::No;
    }
    error
}

fn explained(info: &ErrorInfo, message: &str) -> OperationError {
    let mut details: BTreeMap<_, _> = info.metadata.clone().into_iter().collect();
    let applied = match details.remove(APPLIED).as_deref() {
        Some(NO) => Applied::No,
        _ => Applied::Maybe,
    };
    let reason = Reason::parse(&info.reason).unwrap_or_else(|| {
        // That of a newer coordinator: kept for programs that know it.
        details.insert("reason".to_owned(), info.reason.clone());
        Reason::Internal
    });
    OperationError {
        applied,
        reason,
        message: message.to_owned(),
        details,
        retry_after: None,
    }
}

fn unexplained(status: &Status, sent: Sent) -> OperationError {
    let message = match status.code() {
        Code::Unimplemented => {
            format!("what answers there is no coordinator: {}", describe(status))
        }
        _ => describe(status),
    };
    let reason = match status.code() {
        Code::DeadlineExceeded => Reason::DeadlineExceeded,
        _ if is_timeout(status) => Reason::DeadlineExceeded,
        // Made in this process: the transport's.
        _ if status.source().is_some() => Reason::Unreachable,
        Code::Unavailable | Code::Cancelled | Code::Unimplemented => Reason::Unreachable,
        Code::InvalidArgument | Code::OutOfRange => Reason::InvalidArgument,
        Code::ResourceExhausted => Reason::Overloaded,
        _ => Reason::Internal,
    };
    match sent {
        Sent::Something if !is_passed_over(status) => OperationError::unknown(reason, message),
        _ => OperationError::not_applied(reason, message),
    }
}

/// Whether the server said that it did not look at the call, though all of it may have been sent:
/// by a GOAWAY that names an earlier stream as the last one, or by a reset with REFUSED_STREAM
/// (RFC 9113, 6.8 and 8.7). `h2` gives a received GOAWAY as the error of such streams only.
pub(crate) fn is_passed_over(status: &Status) -> bool {
    caused_by(status, |error: &h2::Error| {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (refused || error.is_go_away())
    })
}

/// Whether the call was given to a connection that ended before it took the call.
pub(crate) fn came_too_late(status: &Status) -> bool {
    caused_by(status, hyper::Error::is_canceled)
}

/// Whether any cause of the status is such an error.
fn caused_by<E: Error + 'static>(status: &Status, is: impl Fn(&E) -> bool) -> bool {
    let causes = successors(status.source(), |&error| error.source());
    causes.filter_map(|error| error.downcast_ref()).any(is)
}

/// Whether tonic's own timer ended the call, here or at the server: it says CANCELLED then.
pub(crate) fn is_timeout(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message() == "Timeout expired"
}

/// What tonic says of every error of its transport, which explains none.
const TRANSPORT_ERROR: &str = "transport error";

/// A status with all its causes: tonic's own text is often no more than "transport error".
pub(crate) fn describe(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if text.is_empty() || text == TRANSPORT_ERROR {
            text = cause;
        } else if cause != TRANSPORT_ERROR && !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    if text.is_empty() {
        text = status.code().description().to_owned();
    }
    text
}
