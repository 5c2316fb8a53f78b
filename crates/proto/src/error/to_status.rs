//! From an error to its status.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use quorate_register::{Applied, OperationError, Reason};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{APPLIED, DOMAIN, MAYBE, NO};
use crate::convert::refusal::truncate;

/// What an overloaded coordinator that names no time is given.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_millis(100);

/// A status travels in HTTP/2 trailers, of which many peers take no more than 8 KiB: the
/// message twice, once with up to three bytes for one, and the details in base64.
const MAX_MESSAGE_BYTES: usize = 768;
const MAX_DETAILS_BYTES: usize = 2560;
const MAX_DETAIL_BYTES: usize = 128;

/// The code of an error, see the table in `register.proto`.
pub fn code(reason: Reason, applied: Applied) -> Code {
    if applied == Applied::Maybe {
        return match reason {
            Reason::NoQuorum | Reason::DeadlineExceeded => Code::DeadlineExceeded,
            _ => Code::Unknown,
        };
    }
    match reason {
        Reason::InvalidArgument => Code::InvalidArgument,
        Reason::RetryRefused => Code::FailedPrecondition,
        Reason::Overloaded => Code::ResourceExhausted,
        Reason::TimestampsExhausted => Code::OutOfRange,
        Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Reason::Internal => Code::Internal,
        Reason::NoQuorum
        | Reason::QuorumImpossible
        | Reason::NotReady
        | Reason::Stopping
        | Reason::Unreachable => Code::Unavailable,
    }
}

/// The status that carries an error. Its texts are cut to what fits HTTP/2 trailers.
pub fn to_status(error: OperationError) -> Status {
    let mut message = error.message;
    truncate(&mut message, MAX_MESSAGE_BYTES);
    let mut details = ErrorDetails::new();
    let metadata = metadata(error.applied, error.details);
    details.set_error_info(error.reason.as_str(), DOMAIN, metadata);
    let default = (error.reason == Reason::Overloaded).then_some(DEFAULT_RETRY_AFTER);
    if let Some(after) = error.retry_after.or(default) {
        details.set_retry_info(Some(after));
    }
    Status::with_error_details(code(error.reason, error.applied), message, details)
}

fn metadata(applied: Applied, details: BTreeMap<String, String>) -> HashMap<String, String> {
    let mut room = MAX_DETAILS_BYTES;
    let mut metadata = HashMap::with_capacity(details.len() + 1);
    for (key, mut value) in details {
        truncate(&mut value, MAX_DETAIL_BYTES);
        // What does not fit is left out: the message says the most important part.
        if let Some(rest) = room.checked_sub(key.len() + value.len()) {
            room = rest;
            metadata.insert(key, value);
        }
    }
    let applied = if applied == Applied::No { NO } else { MAYBE };
    metadata.insert(APPLIED.to_owned(), applied.to_owned());
    metadata
}
