//! A config as bytes on the disk.
//!
//! Numbers are big-endian. A group is `count u8`, then per member `replica_id 16 | length u8 |
//! pod`. A list of ids is `count u16`, then 16 bytes each.
//!
//! ```text
//! format u8 = 1 | active u8 | cluster_id 16 | id 16 | recovery u64 | number u64
//! ancestors: ids | current: group | joint u8, if 1 next: group | activators: group | retired: ids
//! ```

use std::sync::Arc;

use quorate_register::config::{InvalidConfig, MAX_ANCESTORS, MAX_POD_BYTES, MAX_RETIRED};
use quorate_register::{
    ClusterId, Config, ConfigId, ConfigParts, Epoch, HeldConfig, MAX_GROUP_MEMBERS, Member,
    ReplicaId,
};

use super::fields::Fields;

const FORMAT: u8 = 1;
const ID_BYTES: usize = 16;
const MAX_GROUP_BYTES: usize = 1 + MAX_GROUP_MEMBERS * (ID_BYTES + 1 + MAX_POD_BYTES);

/// The longest config, in bytes.
pub(super) const MAX_BYTES: usize = 2
    + 2 * ID_BYTES
    + 16
    + (2 + MAX_ANCESTORS * ID_BYTES)
    + (1 + 3 * MAX_GROUP_BYTES)
    + (2 + MAX_RETIRED * ID_BYTES);

/// Why bytes are not a config. Their checksum was right, so a program wrote them so.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigFormatError {
    #[error("its config has format {0}, which this program does not know")]
    Format(u8),
    #[error("its config does not end where its fields do")]
    Length,
    #[error("its config has a flag that is neither 0 nor 1")]
    Flag,
    #[error("its config names a pod that is not UTF-8")]
    Pod,
    #[error("its config is none: {0}")]
    Invalid(#[from] InvalidConfig),
}

/// The config as bytes, at most [`MAX_BYTES`].
pub(super) fn encode(held: &HeldConfig) -> Vec<u8> {
    let parts = held.config.parts();
    let mut bytes = vec![FORMAT, u8::from(held.active)];
    bytes.extend(parts.cluster_id.to_bytes());
    bytes.extend(parts.id.to_bytes());
    bytes.extend(parts.epoch.recovery.to_be_bytes());
    bytes.extend(parts.epoch.number.to_be_bytes());
    let ancestors: Vec<_> = parts.ancestors.iter().map(|id| id.to_bytes()).collect();
    encode_ids(&mut bytes, &ancestors);
    encode_group(&mut bytes, &parts.current);
    bytes.push(u8::from(parts.next.is_some()));
    if let Some(next) = &parts.next {
        encode_group(&mut bytes, next);
    }
    encode_group(&mut bytes, &parts.activators);
    let retired: Vec<_> = parts.retired.iter().map(|id| id.to_bytes()).collect();
    encode_ids(&mut bytes, &retired);
    bytes
}

fn encode_ids(bytes: &mut Vec<u8>, ids: &[[u8; ID_BYTES]]) {
    bytes.extend((ids.len() as u16).to_be_bytes());
    ids.iter().for_each(|id| bytes.extend(id));
}

fn encode_group(bytes: &mut Vec<u8>, group: &[Member]) {
    bytes.push(group.len() as u8);
    for member in group {
        bytes.extend(member.replica_id.to_bytes());
        bytes.push(member.pod.len() as u8);
        bytes.extend(member.pod.as_bytes());
    }
}

/// The reverse of [`encode`].
pub(super) fn decode(bytes: &[u8]) -> Result<HeldConfig, ConfigFormatError> {
    let mut reader = Reader(Fields(bytes));
    match reader.u8()? {
        FORMAT => {}
        other => return Err(ConfigFormatError::Format(other)),
    }
    let active = reader.flag()?;
    let parts = ConfigParts {
        cluster_id: ClusterId::from_bytes(reader.id()?),
        id: ConfigId::from_bytes(reader.id()?),
        epoch: Epoch {
            recovery: reader.u64()?,
            number: reader.u64()?,
        },
        ancestors: reader.ids(ConfigId::from_bytes)?,
        current: reader.group()?,
        next: if reader.flag()? {
            Some(reader.group()?)
        } else {
            None
        },
        activators: reader.group()?,
        retired: reader.ids(ReplicaId::from_bytes)?,
    };
    if !reader.0.is_empty() {
        return Err(ConfigFormatError::Length);
    }
    let config = Arc::new(Config::new(parts)?);
    Ok(HeldConfig { config, active })
}

struct Reader<'a>(Fields<'a>);

impl Reader<'_> {
    fn u8(&mut self) -> Result<u8, ConfigFormatError> {
        self.0.u8().ok_or(ConfigFormatError::Length)
    }

    fn u64(&mut self) -> Result<u64, ConfigFormatError> {
        self.0.u64().ok_or(ConfigFormatError::Length)
    }

    fn id(&mut self) -> Result<[u8; ID_BYTES], ConfigFormatError> {
        self.0.array().ok_or(ConfigFormatError::Length)
    }

    fn flag(&mut self) -> Result<bool, ConfigFormatError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(ConfigFormatError::Flag),
        }
    }

    fn ids<T>(&mut self, id: impl Fn([u8; ID_BYTES]) -> T) -> Result<Vec<T>, ConfigFormatError> {
        let count = self.0.u16().ok_or(ConfigFormatError::Length)?;
        (0..count).map(|_| Ok(id(self.id()?))).collect()
    }

    fn group(&mut self) -> Result<Vec<Member>, ConfigFormatError> {
        let count = self.u8()?;
        (0..count).map(|_| self.member()).collect()
    }

    fn member(&mut self) -> Result<Member, ConfigFormatError> {
        let replica_id = ReplicaId::from_bytes(self.id()?);
        let length = usize::from(self.u8()?);
        let pod = self.0.bytes(length).ok_or(ConfigFormatError::Length)?;
        let pod = String::from_utf8(pod.to_vec()).map_err(|_| ConfigFormatError::Pod)?;
        Ok(Member { replica_id, pod })
    }
}

#[cfg(test)]
mod tests;
