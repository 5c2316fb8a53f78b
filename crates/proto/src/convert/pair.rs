//! Timestamps and pairs.

use bytes::Bytes;
use quorate_register::{OpId, Pair, Timestamp};

use super::{InvalidMessage, id, value};
use crate::{Limits, v1};

/// [`Timestamp::ZERO`] becomes the empty message, whose `op_id` is empty too.
impl From<Timestamp> for v1::Timestamp {
    fn from(timestamp: Timestamp) -> Self {
        if timestamp == Timestamp::ZERO {
            return Self::default();
        }
        Self {
            generation: timestamp.generation,
            counter: timestamp.counter,
            op_id: Bytes::copy_from_slice(&timestamp.op_id.to_bytes()),
            rmw: timestamp.rmw,
        }
    }
}

impl TryFrom<v1::Timestamp> for Timestamp {
    type Error = InvalidMessage;

    fn try_from(timestamp: v1::Timestamp) -> Result<Self, InvalidMessage> {
        if timestamp == v1::Timestamp::default() {
            return Ok(Self::ZERO);
        }
        Ok(Self {
            generation: timestamp.generation,
            counter: timestamp.counter,
            op_id: OpId::from_bytes(id("op_id", &timestamp.op_id)?),
            rmw: timestamp.rmw,
        })
    }
}

/// [`Pair::UNWRITTEN`] becomes the empty message.
impl From<Pair> for v1::Pair {
    fn from(pair: Pair) -> Self {
        Self {
            timestamp: (pair.timestamp != Timestamp::ZERO).then(|| pair.timestamp.into()),
            value: pair.value,
            checksum: pair.checksum,
        }
    }
}

/// A pair within its limits, or [`Pair::UNWRITTEN`]. The checksum is not looked at.
///
/// # Errors
/// [`InvalidMessage`], also for a value or checksum without a timestamp.
pub fn pair(pair: v1::Pair, limits: Limits) -> Result<Pair, InvalidMessage> {
    let timestamp = pair.timestamp.map(Timestamp::try_from).transpose();
    let timestamp = timestamp
        .map_err(|error| error.within("timestamp"))?
        .unwrap_or_default();
    if timestamp == Timestamp::ZERO && (pair.value.is_some() || pair.checksum != 0) {
        return Err(InvalidMessage::new(
            "timestamp",
            "it is missing; a written pair has one",
        ));
    }
    Ok(Pair {
        timestamp,
        value: pair.value.map(|bytes| value(bytes, limits)).transpose()?,
        checksum: pair.checksum,
    })
}
