//! Requests to and answers of coordinators.

use bytes::Bytes;
use quorate_register::{Entry, Key, Timestamp, Version};

use super::{InvalidMessage, client_key, value};
use crate::{Limits, v1};

/// The key that a Get asks for.
///
/// # Errors
/// [`InvalidMessage`].
pub fn get(request: &v1::GetRequest) -> Result<Key, InvalidMessage> {
    client_key(&request.key)
}

/// Key and value that a Set asks to write.
///
/// # Errors
/// [`InvalidMessage`].
pub fn set(request: v1::SetRequest, limits: Limits) -> Result<(Key, Bytes), InvalidMessage> {
    Ok((client_key(&request.key)?, value(request.value, limits)?))
}

/// The key that a Delete asks for.
///
/// # Errors
/// [`InvalidMessage`].
pub fn delete(request: &v1::DeleteRequest) -> Result<Key, InvalidMessage> {
    client_key(&request.key)
}

/// 40 bytes, big-endian, so that their order is the order of the writes.
impl From<Version> for v1::Version {
    fn from(version: Version) -> Self {
        Self {
            opaque: Bytes::copy_from_slice(&version.0.to_bytes()),
            text: version.to_string(),
        }
    }
}

impl TryFrom<v1::Version> for Version {
    type Error = InvalidMessage;

    fn try_from(version: v1::Version) -> Result<Self, InvalidMessage> {
        let bytes: &[u8; Timestamp::BYTES] = version.opaque.as_ref().try_into().map_err(|_| {
            let problem = format!(
                "it has {} bytes; a version has {}",
                version.opaque.len(),
                Timestamp::BYTES
            );
            InvalidMessage::new("opaque", problem)
        })?;
        Ok(Self(Timestamp::from_bytes(bytes)))
    }
}

/// [`Version::NEVER`] becomes an absent version.
impl From<Entry> for v1::GetResponse {
    fn from(entry: Entry) -> Self {
        Self {
            value: entry.value,
            version: (entry.version != Version::NEVER).then(|| entry.version.into()),
        }
    }
}

impl TryFrom<v1::GetResponse> for Entry {
    type Error = InvalidMessage;

    fn try_from(answer: v1::GetResponse) -> Result<Self, InvalidMessage> {
        let version = answer.version.map(Version::try_from).transpose();
        let version = version
            .map_err(|error| error.within("version"))?
            .unwrap_or(Version::NEVER);
        if version == Version::NEVER && answer.value.is_some() {
            return Err(InvalidMessage::new(
                "version",
                "it is missing; a value has one",
            ));
        }
        Ok(Self {
            value: answer.value,
            version,
        })
    }
}

/// The version that a Set or Delete wrote.
///
/// # Errors
/// [`InvalidMessage`].
pub fn written(version: Option<v1::Version>) -> Result<Version, InvalidMessage> {
    super::required("version", version)
}
