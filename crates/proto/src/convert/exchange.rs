//! Calls and answers of `Replica.Exchange`.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use quorate_register::{Fence, Key, Pair, ReplicaError, Timestamp, Write};
use quorate_trace::{SpanContext, parent};

use super::replica::{local_write_parts, malformed, refused};
use super::{InvalidMessage, key, pair, refusal, saturating};
use crate::v1::exchange_answer::Answer;
use crate::v1::exchange_call::Method;
use crate::{Limits, v1};

/// A call of one of the three requests that operations are made of.
#[derive(Debug, Clone)]
pub struct ReplicaCall {
    /// For whom, under which config.
    pub fence: Fence,
    /// How long its answer is waited for.
    pub timeout: Duration,
    /// What is asked.
    pub asked: Asked,
    /// The span that it belongs to, if that is sampled.
    pub trace: Option<SpanContext>,
}

/// What a [`ReplicaCall`] asks for.
#[derive(Debug, Clone)]
pub enum Asked {
    /// LocalRead.
    Read(Key),
    /// LocalReadTimestamp.
    ReadTimestamp(Key),
    /// LocalWrite.
    Write(Write),
}

impl ReplicaCall {
    /// Bytes of key and value.
    pub fn bytes(&self) -> usize {
        match &self.asked {
            Asked::Read(key) | Asked::ReadTimestamp(key) => key.bytes().len(),
            Asked::Write(Write { key, pair, .. }) => {
                key.bytes().len() + pair.value.as_ref().map_or(0, Bytes::len)
            }
        }
    }
}

/// The message of these calls, which share their fences; they share their values too.
pub fn exchange_request(
    calls: Vec<(u64, ReplicaCall)>,
    cancelled: Vec<u64>,
) -> v1::ExchangeRequest {
    let mut fences: Vec<Fence> = Vec::new();
    let mut message = v1::ExchangeRequest {
        fences: Vec::new(),
        calls: Vec::with_capacity(calls.len()),
        cancelled,
    };
    for (id, call) in calls {
        let known = fences.iter().rposition(|fence| *fence == call.fence);
        let fence = known.unwrap_or_else(|| {
            message.fences.push((&call.fence).into());
            fences.push(call.fence);
            fences.len() - 1
        });
        let (method, key, write) = match call.asked {
            Asked::Read(key) => (Method::LocalRead, key, None),
            Asked::ReadTimestamp(key) => (Method::LocalReadTimestamp, key, None),
            Asked::Write(Write { key, pair, origin }) => {
                (Method::LocalWrite, key, Some((pair, origin)))
            }
        };
        let (pair, origin) = write.unzip();
        message.calls.push(v1::ExchangeCall {
            id,
            fence: u32::try_from(fence).expect("a batch has few fences"),
            timeout_us: u64::try_from(call.timeout.as_micros()).unwrap_or(u64::MAX),
            method: method.into(),
            key: key.bytes().clone(),
            pair: pair.map(Into::into),
            origin_epoch: origin.map(Into::into),
            traceparent: call.trace.as_ref().map(parent::to_text).unwrap_or_default(),
        });
    }
    message
}

/// The fences of a message, which its calls name; each is valid or not for those that do.
pub(crate) fn fences(fences: Vec<v1::Fence>) -> Vec<Result<Fence, InvalidMessage>> {
    let fence = |fence: v1::Fence| Fence::try_from(fence).map_err(|it| it.within("fences"));
    fences.into_iter().map(fence).collect()
}

/// What a call of a message asks for.
///
/// # Errors
/// [`ReplicaError::Invalid`], and [`ReplicaError::Corrupted`] for a pair that changed.
pub(crate) fn exchange_call(
    call: v1::ExchangeCall,
    fences: &[Result<Fence, InvalidMessage>],
    limits: Limits,
) -> Result<ReplicaCall, ReplicaError> {
    let fence = fences.get(saturating(call.fence.into())).cloned();
    let missing = || InvalidMessage::new("fence", "the message has no fence with this index");
    let fence = fence.ok_or_else(missing)??;
    let asked = match Method::try_from(call.method) {
        Ok(Method::LocalRead) => Asked::Read(key(&call.key)?),
        Ok(Method::LocalReadTimestamp) => Asked::ReadTimestamp(key(&call.key)?),
        Ok(Method::LocalWrite) => Asked::Write(local_write_parts(
            &call.key,
            call.pair,
            call.origin_epoch,
            limits,
        )?),
        Ok(Method::Unspecified) | Err(_) => {
            let problem = format!("{} is not a method this version knows", call.method);
            return Err(InvalidMessage::new("method", problem).into());
        }
    };
    Ok(ReplicaCall {
        fence,
        timeout: Duration::from_micros(call.timeout_us),
        asked,
        trace: parent::of_text(&call.traceparent),
    })
}

/// The answer of a LocalRead, unless it is larger than `limit` bytes.
pub(crate) fn read_answer(result: Result<Pair, ReplicaError>, limit: usize) -> Answer {
    match result {
        Ok(pair) if pair.value.as_ref().map_or(0, Bytes::len) > limit => {
            Answer::TooLarge(v1::TooLarge {})
        }
        Ok(pair) => Answer::Pair(pair.into()),
        Err(error) => not_done(&error),
    }
}

/// The answer of a LocalReadTimestamp.
pub(crate) fn timestamp_answer(result: Result<Timestamp, ReplicaError>) -> Answer {
    match result {
        Ok(timestamp) => Answer::Timestamp(timestamp.into()),
        Err(error) => not_done(&error),
    }
}

/// The answer of a LocalWrite.
pub(crate) fn write_answer(result: Result<(), ReplicaError>) -> Answer {
    match result {
        Ok(()) => Answer::Acknowledgement(v1::Acknowledgement {}),
        Err(error) => not_done(&error),
    }
}

/// The answer of a call that was not carried out, or of which that is not known.
pub(crate) fn not_done(error: &ReplicaError) -> Answer {
    match refusal::refusal(error) {
        Ok(refusal) => Answer::Refusal(Box::new(refusal)),
        Err(failure) => Answer::Failure(failure),
    }
}

/// About how many bytes an answer takes besides what every answer does.
pub(crate) fn answer_bytes(answer: &Answer) -> usize {
    match answer {
        Answer::Pair(pair) => pair.value.as_ref().map_or(0, Bytes::len),
        Answer::Refusal(refusal) => refusal.encoded_len(),
        Answer::Failure(problem) => problem.len(),
        Answer::Timestamp(_) | Answer::Acknowledgement(_) | Answer::TooLarge(_) => 0,
    }
}

/// The pair that a LocalRead of `asked` was answered; `None` when it is too large.
///
/// # Errors
/// The refusal; [`ReplicaError::Corrupted`] for a pair that changed; [`ReplicaError::Invalid`].
pub(crate) fn read_answered(
    answer: Answer,
    asked: &Key,
    limits: Limits,
) -> Result<Option<Pair>, ReplicaError> {
    match answer {
        Answer::Pair(message) => {
            let pair = pair(message, limits).map_err(|error| malformed(error.within("pair")))?;
            pair.verify(asked)?;
            Ok(Some(pair))
        }
        Answer::TooLarge(v1::TooLarge {}) => Ok(None),
        other => Err(not_answered(other)),
    }
}

/// The timestamp that a LocalReadTimestamp was answered.
///
/// # Errors
/// The refusal; [`ReplicaError::Invalid`].
pub(crate) fn timestamp_answered(answer: Answer) -> Result<Timestamp, ReplicaError> {
    match answer {
        Answer::Timestamp(timestamp) => {
            Timestamp::try_from(timestamp).map_err(|error| malformed(error.within("timestamp")))
        }
        other => Err(not_answered(other)),
    }
}

/// Whether a LocalWrite was acknowledged.
///
/// # Errors
/// The refusal; [`ReplicaError::Invalid`].
pub(crate) fn write_answered(answer: Answer) -> Result<(), ReplicaError> {
    match answer {
        Answer::Acknowledgement(v1::Acknowledgement {}) => Ok(()),
        other => Err(not_answered(other)),
    }
}

/// What an answer says that is not the one to the question.
fn not_answered(answer: Answer) -> ReplicaError {
    match answer {
        Answer::Refusal(refusal) => refused(*refusal),
        Answer::Failure(problem) => ReplicaError::Unreachable { problem },
        _ => malformed(InvalidMessage::new(
            "answer",
            "it is that of another method",
        )),
    }
}
