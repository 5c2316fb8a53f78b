//! Between messages and the types of `quorate-register`.
//!
//! This is the only validation of input. To a message: `From`. From one: `TryFrom`, or a
//! function where a [`Limits`] decides; the error names field and limit. Values are shared
//! with the received buffer and never copied. Keys are copied, since they end in caches,
//! where each would keep the whole buffer of its request alive.

mod boot;
mod config;
pub mod digest;
pub mod exchange;
mod fence;
pub mod operation;
mod pair;
pub mod refusal;
pub mod register;
pub mod replica;
pub mod scan;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use bytes::Bytes;
use quorate_register::{Key, OperationError, ReplicaError};

pub use pair::pair;

use crate::Limits;

/// A message that breaks the interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidMessage {
    /// The field, with the fields it is in before it: `pair.timestamp.op_id`.
    pub field: String,
    /// What is wrong with it, and its limit.
    pub problem: String,
}

impl InvalidMessage {
    pub(crate) fn new(field: &str, problem: impl Display) -> Self {
        Self {
            field: field.to_owned(),
            problem: problem.to_string(),
        }
    }

    /// The same error seen from the message that has `outer` as a field.
    fn within(mut self, outer: &str) -> Self {
        self.field = format!("{outer}.{}", self.field);
        self
    }
}

impl From<InvalidMessage> for OperationError {
    fn from(error: InvalidMessage) -> Self {
        Self::invalid(&error.field, error.problem)
    }
}

impl From<InvalidMessage> for ReplicaError {
    fn from(error: InvalidMessage) -> Self {
        Self::Invalid {
            problem: error.to_string(),
        }
    }
}

/// Converts a field that must be there.
fn required<M, T>(field: &str, message: Option<M>) -> Result<T, InvalidMessage>
where
    T: TryFrom<M, Error = InvalidMessage>,
{
    let message = message.ok_or_else(|| InvalidMessage::new(field, "it is missing"))?;
    T::try_from(message).map_err(|error| error.within(field))
}

/// The 16 bytes of an id.
fn id(field: &str, bytes: &[u8]) -> Result<[u8; 16], InvalidMessage> {
    bytes.try_into().map_err(|_| {
        let problem = format!("it has {} bytes; an id has 16", bytes.len());
        InvalidMessage::new(field, problem)
    })
}

/// The bytes of a field named `key` as a key.
pub(crate) fn key(bytes: &Bytes) -> Result<Key, InvalidMessage> {
    key_in("key", bytes)
}

/// The bytes of a field named `key` as a key that a client may name.
pub(crate) fn client_key(bytes: &Bytes) -> Result<Key, InvalidMessage> {
    let key = key(bytes)?;
    if key.is_reserved() {
        let problem = "it begins with \\0quorate/, which the store keeps for itself";
        return Err(InvalidMessage::new("key", problem));
    }
    Ok(key)
}

fn key_in(field: &str, bytes: &Bytes) -> Result<Key, InvalidMessage> {
    // Checked before it is copied.
    let shared = Key::new(bytes.clone()).map_err(|error| InvalidMessage::new(field, error))?;
    let copied = Key::new(Bytes::copy_from_slice(shared.bytes()));
    Ok(copied.expect("the same bytes are a key"))
}

/// A value within its limit, shared.
pub(crate) fn value(bytes: Bytes, limits: Limits) -> Result<Bytes, InvalidMessage> {
    let limit = limits.max_value_bytes();
    if bytes.len() > limit {
        let problem = format!("it has {} bytes; the limit is {limit}", bytes.len());
        return Err(InvalidMessage::new("value", problem));
    }
    Ok(bytes)
}

/// A value of this length is copied out of a message of many, which it would otherwise keep
/// alive as a whole for as long as somebody keeps the value.
const COPIED_BYTES: usize = 4 << 10;

/// A value of a message of many, in memory of its own if it is small.
fn detached(value: Bytes) -> Bytes {
    match value.len() < COPIED_BYTES {
        true => Bytes::copy_from_slice(&value),
        false => value,
    }
}

/// A number of the wire as one of this machine, the largest there is where it does not fit.
fn saturating(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
