//! Requests to and answers of replicas.
//!
//! Pairs are verified against their checksum where they arrive: that of a LocalWrite at the
//! replica, that of a LocalRead at the coordinator.

use std::sync::Arc;

use bytes::Bytes;
use quorate_register::{
    Advice, Boot, ClusterId, Config, DiskBoots, Epoch, Fence, HeldConfig, Identity, Key, Pair,
    ReplicaError, ReplicaId, Timestamp, Write, Writes,
};

use super::refusal::replica_error;
use super::{InvalidMessage, boot, id, key, pair, required};
use crate::v1::advise_request::Advice as WireAdvice;
use crate::v1::{local_read_response, local_read_timestamp_response};
use crate::{Limits, v1};

/// The request of a LocalRead.
pub fn local_read_request(fence: &Fence, key: &Key) -> v1::LocalReadRequest {
    v1::LocalReadRequest {
        fence: Some(fence.into()),
        key: key.bytes().clone(),
    }
}

/// What a LocalRead asks for.
///
/// # Errors
/// [`InvalidMessage`].
pub fn local_read(request: v1::LocalReadRequest) -> Result<(Fence, Key), InvalidMessage> {
    Ok((required("fence", request.fence)?, key(&request.key)?))
}

/// What a LocalRead of `asked` answered.
///
/// # Errors
/// The refusal; [`ReplicaError::Corrupted`] for a pair that changed; [`ReplicaError::Invalid`].
pub fn local_read_answer(
    answer: v1::LocalReadResponse,
    asked: &Key,
    limits: Limits,
) -> Result<Pair, ReplicaError> {
    match answer.answer {
        Some(local_read_response::Answer::Pair(message)) => {
            let pair = pair(message, limits).map_err(|error| malformed(error.within("pair")))?;
            pair.verify(asked)?;
            Ok(pair)
        }
        Some(local_read_response::Answer::Refusal(refusal)) => Err(refused(refusal)),
        None => Err(malformed(InvalidMessage::new("answer", "it is missing"))),
    }
}

/// The request of a LocalReadTimestamp.
pub fn local_read_timestamp_request(fence: &Fence, key: &Key) -> v1::LocalReadTimestampRequest {
    v1::LocalReadTimestampRequest {
        fence: Some(fence.into()),
        key: key.bytes().clone(),
    }
}

/// What a LocalReadTimestamp asks for.
///
/// # Errors
/// [`InvalidMessage`].
pub fn local_read_timestamp(
    request: v1::LocalReadTimestampRequest,
) -> Result<(Fence, Key), InvalidMessage> {
    Ok((required("fence", request.fence)?, key(&request.key)?))
}

/// What a LocalReadTimestamp answered.
///
/// # Errors
/// The refusal; [`ReplicaError::Invalid`].
pub fn local_read_timestamp_answer(
    answer: v1::LocalReadTimestampResponse,
) -> Result<Timestamp, ReplicaError> {
    match answer.answer {
        Some(local_read_timestamp_response::Answer::Timestamp(timestamp)) => {
            Timestamp::try_from(timestamp).map_err(|error| malformed(error.within("timestamp")))
        }
        Some(local_read_timestamp_response::Answer::Refusal(refusal)) => Err(refused(refusal)),
        None => Err(malformed(InvalidMessage::new("answer", "it is missing"))),
    }
}

/// The request of a LocalWrite; it shares the value.
pub fn local_write_request(fence: &Fence, write: &Write) -> v1::LocalWriteRequest {
    v1::LocalWriteRequest {
        fence: Some(fence.into()),
        key: write.key.bytes().clone(),
        pair: Some(write.pair.clone().into()),
        origin_epoch: Some(write.origin.into()),
    }
}

/// What a LocalWrite asks for; the pair is what some coordinator made.
///
/// # Errors
/// [`ReplicaError::Invalid`], and [`ReplicaError::Corrupted`] for a pair that changed.
pub fn local_write(
    request: v1::LocalWriteRequest,
    limits: Limits,
) -> Result<(Fence, Write), ReplicaError> {
    let fence = required("fence", request.fence)?;
    let write = local_write_parts(&request.key, request.pair, request.origin_epoch, limits)?;
    Ok((fence, write))
}

/// What a LocalWrite stores.
///
/// # Errors
/// As [`local_write`].
pub(super) fn local_write_parts(
    key_bytes: &Bytes,
    message: Option<v1::Pair>,
    origin: Option<v1::Epoch>,
    limits: Limits,
) -> Result<Write, ReplicaError> {
    let (key, pair) = written(key_bytes, message, limits)?;
    pair.verify(&key)?;
    let origin: Epoch = required("origin_epoch", origin)?;
    Ok(Write { key, pair, origin })
}

/// A pair that was written, not verified yet.
fn written(
    key_bytes: &Bytes,
    message: Option<v1::Pair>,
    limits: Limits,
) -> Result<(Key, Pair), InvalidMessage> {
    let key = key(key_bytes)?;
    let message = message.ok_or_else(|| InvalidMessage::new("pair", "it is missing"))?;
    let pair = pair(message, limits).map_err(|error| error.within("pair"))?;
    if pair.timestamp == Timestamp::ZERO {
        let problem = "it is missing; a written pair has one";
        return Err(InvalidMessage::new("pair.timestamp", problem));
    }
    Ok((key, pair))
}

/// The request of a LocalWriteAll; it shares the values.
pub fn local_write_all_request(fence: &Fence, writes: &Writes) -> v1::LocalWriteAllRequest {
    let keyed = |(key, pair): &(Key, Pair)| v1::KeyedPair {
        key: key.bytes().clone(),
        pair: Some(pair.clone().into()),
    };
    v1::LocalWriteAllRequest {
        fence: Some(fence.into()),
        pairs: writes.pairs.iter().map(keyed).collect(),
        origin_epoch: Some(writes.origin.into()),
    }
}

/// What a LocalWriteAll asks for.
///
/// # Errors
/// As [`local_write`].
pub fn local_write_all(
    request: v1::LocalWriteAllRequest,
    limits: Limits,
) -> Result<(Fence, Writes), ReplicaError> {
    let fence = required("fence", request.fence)?;
    let origin = required("origin_epoch", request.origin_epoch)?;
    let mut pairs = Vec::with_capacity(request.pairs.len());
    for keyed in request.pairs {
        let written = written(&keyed.key, keyed.pair, limits);
        let (key, pair) = written.map_err(|error| error.within("pairs"))?;
        pair.verify(&key)?;
        pairs.push((key, pair));
    }
    Ok((fence, Writes { pairs, origin }))
}

/// What a call answered that says no more than that it was done.
///
/// # Errors
/// The refusal; [`ReplicaError::Invalid`].
pub fn acknowledgement(refusal: Option<v1::Refusal>) -> Result<(), ReplicaError> {
    refusal.map_or(Ok(()), |refusal| Err(refused(refusal)))
}

/// The request of an Adopt.
pub fn adopt_request(replica_id: ReplicaId, config: &Config, active: bool) -> v1::AdoptRequest {
    v1::AdoptRequest {
        replica_id: Bytes::copy_from_slice(&replica_id.to_bytes()),
        config: Some(config.into()),
        active,
    }
}

/// For whom an Adopt is, the config that it offers, and whether that is proven active.
///
/// # Errors
/// [`InvalidMessage`].
pub fn adopt(request: v1::AdoptRequest) -> Result<(ReplicaId, Arc<Config>, bool), InvalidMessage> {
    let replica_id = ReplicaId::from_bytes(id("replica_id", &request.replica_id)?);
    let config: Config = required("config", request.config)?;
    Ok((replica_id, Arc::new(config), request.active))
}

/// The request of an Admit.
pub fn admit_request(replica_id: ReplicaId, boot: Boot, volume: Option<&str>) -> v1::AdmitRequest {
    v1::AdmitRequest {
        replica_id: Bytes::copy_from_slice(&replica_id.to_bytes()),
        boot: Some(boot.into()),
        volume: volume.map(str::to_owned),
    }
}

/// For whom an Admit is, the boot that it admits, and the volume that it names.
///
/// # Errors
/// [`InvalidMessage`].
pub fn admit(
    request: v1::AdmitRequest,
) -> Result<(ReplicaId, Boot, Option<String>), InvalidMessage> {
    let replica_id = ReplicaId::from_bytes(id("replica_id", &request.replica_id)?);
    let admitted = required("boot", request.boot)?;
    let volume = request.volume.map(boot::volume).transpose()?;
    Ok((replica_id, admitted, volume))
}

/// The request of a Retire.
pub fn retire_request(replica_id: ReplicaId, config: &Config) -> v1::RetireRequest {
    v1::RetireRequest {
        replica_id: Bytes::copy_from_slice(&replica_id.to_bytes()),
        config: Some(config.into()),
    }
}

/// For whom a Retire is, and the config that does not list it.
///
/// # Errors
/// [`InvalidMessage`].
pub fn retire(request: v1::RetireRequest) -> Result<(ReplicaId, Arc<Config>), InvalidMessage> {
    let replica_id = ReplicaId::from_bytes(id("replica_id", &request.replica_id)?);
    let config: Config = required("config", request.config)?;
    Ok((replica_id, Arc::new(config)))
}

/// The request of an Advise.
pub fn advise_request(replica_id: ReplicaId, advice: Advice) -> v1::AdviseRequest {
    let advice = match advice {
        Advice::Wanted => WireAdvice::Wanted,
        Advice::Unwanted => WireAdvice::Unwanted,
        Advice::Removed => WireAdvice::Removed,
        Advice::Unknown => WireAdvice::Unknown,
    };
    v1::AdviseRequest {
        replica_id: Bytes::copy_from_slice(&replica_id.to_bytes()),
        advice: advice.into(),
    }
}

/// For whom an Advise is, and what it says.
///
/// # Errors
/// [`InvalidMessage`].
pub fn advise(request: v1::AdviseRequest) -> Result<(ReplicaId, Advice), InvalidMessage> {
    let replica_id = ReplicaId::from_bytes(id("replica_id", &request.replica_id)?);
    let advice = match request.advice() {
        WireAdvice::Wanted => Advice::Wanted,
        WireAdvice::Unwanted => Advice::Unwanted,
        WireAdvice::Removed => Advice::Removed,
        WireAdvice::Unknown => Advice::Unknown,
        WireAdvice::Unspecified => {
            let number = request.advice;
            return Err(InvalidMessage::new(
                "advice",
                format!("is {number}, which is none"),
            ));
        }
    };
    Ok((replica_id, advice))
}

impl From<Identity> for v1::IdentifyResponse {
    fn from(identity: Identity) -> Self {
        let cluster_id = identity.cluster_id.map(ClusterId::to_bytes);
        Self {
            replica_id: Bytes::copy_from_slice(&identity.replica_id.to_bytes()),
            pod: identity.pod,
            cluster_id: cluster_id.map_or_else(Bytes::new, |id| Bytes::copy_from_slice(&id)),
            config_active: identity.config.as_ref().is_some_and(|held| held.active),
            config: identity.config.map(|held| held.config.as_ref().into()),
            keys: identity.keys,
            disk_full: identity.disk_full,
            admitted: identity.admitted,
            leaving: identity.leaving,
            admitted_boot: identity.boots.admitted.map(Into::into),
            intended_boot: identity.boots.intent.map(Into::into),
            volume: identity.boots.volume,
        }
    }
}

impl TryFrom<v1::IdentifyResponse> for Identity {
    type Error = InvalidMessage;

    fn try_from(answer: v1::IdentifyResponse) -> Result<Self, InvalidMessage> {
        let cluster_id = match answer.cluster_id {
            bytes if bytes.is_empty() => None,
            bytes => Some(ClusterId::from_bytes(id("cluster_id", &bytes)?)),
        };
        let config = answer.config.map(Config::try_from).transpose();
        let held = |config| HeldConfig {
            config: Arc::new(config),
            active: answer.config_active,
        };
        Ok(Self {
            replica_id: ReplicaId::from_bytes(id("replica_id", &answer.replica_id)?),
            pod: answer.pod,
            cluster_id,
            config: config.map_err(|error| error.within("config"))?.map(held),
            keys: answer.keys,
            disk_full: answer.disk_full,
            admitted: answer.admitted,
            leaving: answer.leaving,
            boots: DiskBoots {
                admitted: optional("admitted_boot", answer.admitted_boot)?,
                intent: optional("intended_boot", answer.intended_boot)?,
                volume: answer.volume.map(boot::volume).transpose()?,
            },
        })
    }
}

fn optional<M, T>(field: &str, message: Option<M>) -> Result<Option<T>, InvalidMessage>
where
    T: TryFrom<M, Error = InvalidMessage>,
{
    let converted = message.map(T::try_from).transpose();
    converted.map_err(|error| error.within(field))
}

pub(super) fn refused(refusal: v1::Refusal) -> ReplicaError {
    replica_error(refusal).unwrap_or_else(|error| malformed(error.within("refusal")))
}

/// An answer that breaks the interface.
pub(crate) fn malformed(error: InvalidMessage) -> ReplicaError {
    ReplicaError::Invalid {
        problem: format!("the replica's answer: {error}"),
    }
}
