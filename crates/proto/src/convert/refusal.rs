//! Why a replica refused: [`ReplicaError`] as an answer.

use std::sync::Arc;

use quorate_register::{ChecksumMismatch, Config, ReplicaError};

use super::{InvalidMessage, required, saturating};
use crate::v1;
use crate::v1::refusal::Code;

/// The longest text of a refusal, in bytes.
const MAX_MESSAGE_BYTES: usize = 1024;

/// The refusal that carries this error, or the problem when no answer can: an error of the
/// transport is not an answer.
///
/// # Errors
/// The text of an `Unreachable` or `TimedOut`.
pub fn refusal(error: &ReplicaError) -> Result<v1::Refusal, String> {
    let mut refusal = v1::Refusal {
        message: error.to_string(),
        ..v1::Refusal::default()
    };
    let code = match error {
        ReplicaError::WrongReplica { problem } => {
            refusal.message = problem.clone();
            Code::WrongReplica
        }
        ReplicaError::StaleEpoch { config } => {
            refusal.config = Some(config.as_ref().into());
            Code::StaleEpoch
        }
        ReplicaError::NeedConfig => Code::NeedConfig,
        ReplicaError::NotAdmitted => Code::NotAdmitted,
        ReplicaError::Fork { config } => {
            refusal.config = Some(config.as_ref().into());
            Code::Fork
        }
        ReplicaError::LostDisk { problem } => {
            refusal.message = problem.clone();
            Code::LostDisk
        }
        &ReplicaError::DiskFull {
            free_bytes,
            reserved_bytes,
        } => {
            refusal.free_bytes = free_bytes;
            refusal.reserved_bytes = reserved_bytes;
            Code::DiskFull
        }
        ReplicaError::Conflict { timestamp } => {
            refusal.timestamp = Some((*timestamp).into());
            Code::Conflict
        }
        ReplicaError::Corrupted(mismatch) => {
            refusal.stated_checksum = mismatch.stated;
            refusal.computed_checksum = mismatch.computed;
            Code::Corrupted
        }
        ReplicaError::Overloaded { limit } => {
            refusal.limit = *limit as u64;
            Code::Overloaded
        }
        ReplicaError::Invalid { problem } => {
            refusal.message = problem.clone();
            Code::Invalid
        }
        ReplicaError::Unreachable { .. } | ReplicaError::TimedOut { .. } => {
            return Err(error.to_string());
        }
    };
    refusal.code = code.into();
    truncate(&mut refusal.message, MAX_MESSAGE_BYTES);
    Ok(refusal)
}

/// The error that a refusal carries.
///
/// # Errors
/// When a field that its code promises is missing or invalid, or the code is unknown.
pub fn replica_error(refusal: v1::Refusal) -> Result<ReplicaError, InvalidMessage> {
    let config = |config: Option<v1::Config>| required::<_, Config>("config", config).map(Arc::new);
    let problem = refusal.message;
    Ok(match Code::try_from(refusal.code) {
        Ok(Code::WrongReplica) => ReplicaError::WrongReplica { problem },
        Ok(Code::StaleEpoch) => ReplicaError::StaleEpoch {
            config: config(refusal.config)?,
        },
        Ok(Code::NeedConfig) => ReplicaError::NeedConfig,
        Ok(Code::NotAdmitted) => ReplicaError::NotAdmitted,
        Ok(Code::Fork) => ReplicaError::Fork {
            config: config(refusal.config)?,
        },
        Ok(Code::LostDisk) => ReplicaError::LostDisk { problem },
        Ok(Code::DiskFull) => ReplicaError::DiskFull {
            free_bytes: refusal.free_bytes,
            reserved_bytes: refusal.reserved_bytes,
        },
        Ok(Code::Conflict) => ReplicaError::Conflict {
            timestamp: required("timestamp", refusal.timestamp)?,
        },
        Ok(Code::Corrupted) => ReplicaError::Corrupted(ChecksumMismatch {
            stated: refusal.stated_checksum,
            computed: refusal.computed_checksum,
        }),
        Ok(Code::Overloaded) => ReplicaError::Overloaded {
            limit: saturating(refusal.limit),
        },
        Ok(Code::Invalid) => ReplicaError::Invalid { problem },
        Ok(Code::Unspecified) | Err(_) => {
            let problem = format!("{} is not a code this version knows", refusal.code);
            return Err(InvalidMessage::new("code", problem));
        }
    })
}

/// Cuts a text off at a character's end, so that it has at most `limit` bytes.
pub(crate) fn truncate(text: &mut String, limit: usize) {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
    }
}
