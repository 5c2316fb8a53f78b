//! Calls and answers of `Register.Exchange`.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use quorate_register::{Applied, Entry, Key, OperationError, Reason, Version};
use quorate_trace::{SpanContext, parent};

use super::{InvalidMessage, client_key, detached, value};
use crate::deadline::DEFAULT_TIMEOUT;
use crate::v1::register_exchange_answer::Answer;
use crate::v1::register_exchange_call::Operation;
use crate::{Limits, v1};

/// A call of one of the three operations.
#[derive(Debug, Clone)]
pub struct RegisterCall {
    /// How long its answer is waited for.
    pub timeout: Duration,
    /// What is asked.
    pub asked: Wanted,
    /// The span that it belongs to, if any.
    pub trace: Option<SpanContext>,
}

/// What a [`RegisterCall`] asks for.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// Get.
    Get(Key),
    /// Set.
    Set(Key, Bytes),
    /// Delete.
    Delete(Key),
}

impl Wanted {
    /// Its name: `get`, `set` or `delete`.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Get(_) => "get",
            Self::Set(..) => "set",
            Self::Delete(_) => "delete",
        }
    }
}

impl RegisterCall {
    /// Bytes of key and value.
    pub fn bytes(&self) -> usize {
        match &self.asked {
            Wanted::Get(key) | Wanted::Delete(key) => key.bytes().len(),
            Wanted::Set(key, value) => key.bytes().len() + value.len(),
        }
    }
}

/// The message of these calls; it shares their values.
pub(crate) fn exchange_request(
    calls: Vec<(u64, RegisterCall)>,
    cancelled: Vec<u64>,
) -> v1::RegisterExchangeRequest {
    let call = |(id, call): (u64, RegisterCall)| {
        let (operation, key, value) = match call.asked {
            Wanted::Get(key) => (Operation::Get, key, Bytes::new()),
            Wanted::Set(key, value) => (Operation::Set, key, value),
            Wanted::Delete(key) => (Operation::Delete, key, Bytes::new()),
        };
        v1::RegisterExchangeCall {
            id,
            // Zero would mean that none was given.
            timeout_us: u64::try_from(call.timeout.as_micros()).map_or(u64::MAX, |it| it.max(1)),
            operation: operation.into(),
            key: key.bytes().clone(),
            value,
            traceparent: call.trace.as_ref().map(parent::to_text).unwrap_or_default(),
        }
    };
    v1::RegisterExchangeRequest {
        calls: calls.into_iter().map(call).collect(),
        cancelled,
    }
}

/// The operation of a call by its name, if it is one that this version knows.
pub(crate) fn operation_name(call: &v1::RegisterExchangeCall) -> Option<&'static str> {
    match Operation::try_from(call.operation) {
        Ok(Operation::Get) => Some("get"),
        Ok(Operation::Set) => Some("set"),
        Ok(Operation::Delete) => Some("delete"),
        Ok(Operation::Unspecified) | Err(_) => None,
    }
}

/// What a call of a message asks for.
///
/// # Errors
/// [`InvalidMessage`].
pub(crate) fn exchange_call(
    call: v1::RegisterExchangeCall,
    limits: Limits,
) -> Result<RegisterCall, InvalidMessage> {
    let asked = match Operation::try_from(call.operation) {
        Ok(Operation::Get) => Wanted::Get(client_key(&call.key)?),
        Ok(Operation::Set) => {
            let value = detached(value(call.value, limits)?);
            Wanted::Set(client_key(&call.key)?, value)
        }
        Ok(Operation::Delete) => Wanted::Delete(client_key(&call.key)?),
        Ok(Operation::Unspecified) | Err(_) => {
            let problem = format!("{} is not one this version knows", call.operation);
            return Err(InvalidMessage::new("operation", problem));
        }
    };
    let timeout = match call.timeout_us {
        0 => DEFAULT_TIMEOUT,
        micros => Duration::from_micros(micros),
    };
    Ok(RegisterCall {
        timeout,
        asked,
        trace: parent::of_text(&call.traceparent),
    })
}

/// The answer of a Get, unless its value is larger than `limit` bytes.
pub(crate) fn get_answer(result: Result<Entry, OperationError>, limit: usize) -> Answer {
    match result {
        Ok(entry) if entry.value.as_ref().map_or(0, Bytes::len) > limit => {
            Answer::TooLarge(v1::ValueTooLarge {})
        }
        Ok(Entry { value, version }) => Answer::Entry(v1::GetResponse {
            value,
            version: (version != Version::NEVER).then(|| terse(version)),
        }),
        Err(error) => failure(error),
    }
}

/// The answer of a Set or Delete.
pub(crate) fn write_answer(result: Result<Version, OperationError>) -> Answer {
    match result {
        Ok(version) => Answer::Version(terse(version)),
        Err(error) => failure(error),
    }
}

/// A version for programs only.
fn terse(version: Version) -> v1::Version {
    v1::Version {
        opaque: Bytes::copy_from_slice(&version.0.to_bytes()),
        text: String::new(),
    }
}

/// The answer of an operation that did not complete.
pub(crate) fn failure(error: OperationError) -> Answer {
    let retry_after = error.retry_after.map(|delay| delay.as_millis());
    Answer::Failure(Box::new(v1::Failure {
        reason: error.reason.as_str().to_owned(),
        message: error.message,
        not_applied: error.applied == Applied::No,
        metadata: error.details.into_iter().collect(),
        retry_after_ms: retry_after.map_or(0, |it| u64::try_from(it).unwrap_or(u64::MAX)),
    }))
}

/// About how many bytes an answer takes besides what every answer does.
pub(crate) fn answer_bytes(answer: &Answer) -> usize {
    match answer {
        Answer::Entry(entry) => entry.value.as_ref().map_or(0, Bytes::len),
        Answer::Failure(failure) => failure.encoded_len(),
        Answer::Version(_) | Answer::TooLarge(_) => 0,
    }
}

/// What a Get was answered; `None` when the value is too large.
///
/// # Errors
/// The failure, or what is wrong with the answer.
pub(crate) fn got(answer: Answer) -> Result<Option<Entry>, Problem> {
    match answer {
        Answer::Entry(entry) => {
            let Entry { value, version } = entry.try_into()?;
            let value = value.map(detached);
            Ok(Some(Entry { value, version }))
        }
        Answer::TooLarge(v1::ValueTooLarge {}) => Ok(None),
        other => Err(not_done(other)),
    }
}

/// What a Set or Delete wrote.
///
/// # Errors
/// The failure, or what is wrong with the answer.
pub(crate) fn wrote(answer: Answer) -> Result<Version, Problem> {
    match answer {
        Answer::Version(version) => Ok(version.try_into()?),
        other => Err(not_done(other)),
    }
}

/// Why there is no result.
pub(crate) enum Problem {
    /// The coordinator says so.
    Failed(OperationError),
    /// The answer breaks the interface.
    Malformed(InvalidMessage),
}

impl From<InvalidMessage> for Problem {
    fn from(error: InvalidMessage) -> Self {
        Self::Malformed(error)
    }
}

fn not_done(answer: Answer) -> Problem {
    let Answer::Failure(failure) = answer else {
        return InvalidMessage::new("answer", "it is that of another operation").into();
    };
    let v1::Failure {
        reason,
        message,
        not_applied,
        metadata,
        retry_after_ms,
    } = *failure;
    let mut error = match not_applied {
        true => OperationError::not_applied(Reason::Internal, message),
        false => OperationError::unknown(Reason::Internal, message),
    };
    error.details = metadata.into_iter().collect();
    match Reason::parse(&reason) {
        Some(reason) => error.reason = reason,
        // That of a newer coordinator: kept for programs that know it.
        None => {
            error.details.insert("reason".to_owned(), reason);
        }
    }
    error.retry_after = (retry_after_ms > 0).then(|| Duration::from_millis(retry_after_ms));
    Problem::Failed(error)
}
