//! Configs. What makes parts a config is said in [`Config::new`].

use bytes::Bytes;
use quorate_register::config::InvalidConfig;
use quorate_register::{ClusterId, Config, ConfigId, ConfigParts, Epoch, Member, ReplicaId};

use super::{InvalidMessage, id, required};
use crate::v1;

impl From<Epoch> for v1::Epoch {
    fn from(epoch: Epoch) -> Self {
        Self {
            recovery: epoch.recovery,
            number: epoch.number,
        }
    }
}

impl TryFrom<v1::Epoch> for Epoch {
    type Error = InvalidMessage;

    fn try_from(epoch: v1::Epoch) -> Result<Self, InvalidMessage> {
        if epoch.number == 0 {
            return Err(InvalidMessage::new(
                "number",
                "it is 0; the first epoch is 1",
            ));
        }
        Ok(Self {
            recovery: epoch.recovery,
            number: epoch.number,
        })
    }
}

fn group(members: &[Member]) -> v1::Group {
    let member = |member: &Member| v1::Member {
        replica_id: Bytes::copy_from_slice(&member.replica_id.to_bytes()),
        pod: member.pod.clone(),
    };
    v1::Group {
        members: members.iter().map(member).collect(),
    }
}

impl From<&Config> for v1::Config {
    fn from(config: &Config) -> Self {
        let parts = config.parts();
        let copy = |bytes: [u8; 16]| Bytes::copy_from_slice(&bytes);
        let activators = &parts.activators;
        Self {
            cluster_id: copy(parts.cluster_id.to_bytes()),
            id: copy(parts.id.to_bytes()),
            ancestors: parts
                .ancestors
                .iter()
                .map(|id| copy(id.to_bytes()))
                .collect(),
            epoch: Some(parts.epoch.into()),
            current: Some(group(&parts.current)),
            next: parts.next.as_deref().map(group),
            activators: (!activators.is_empty()).then(|| group(activators)),
            retired: parts.retired.iter().map(|id| copy(id.to_bytes())).collect(),
        }
    }
}

fn members(field: &str, group: v1::Group) -> Result<Vec<Member>, InvalidMessage> {
    let member = |member: v1::Member| {
        let replica_id =
            id("members.replica_id", &member.replica_id).map_err(|e| e.within(field))?;
        Ok(Member {
            replica_id: ReplicaId::from_bytes(replica_id),
            pod: member.pod,
        })
    };
    group.members.into_iter().map(member).collect()
}

impl TryFrom<v1::Config> for Config {
    type Error = InvalidMessage;

    fn try_from(config: v1::Config) -> Result<Self, InvalidMessage> {
        let ids = |field: &str, list: &[Bytes]| -> Result<Vec<[u8; 16]>, InvalidMessage> {
            list.iter().map(|bytes| id(field, bytes)).collect()
        };
        let current = config
            .current
            .ok_or_else(|| InvalidMessage::new("current", "it is missing"))?;
        // Present and empty is not the same as absent, yet means the same to `ConfigParts`.
        if config
            .activators
            .as_ref()
            .is_some_and(|group| group.members.is_empty())
        {
            return Err(InvalidMessage::new(
                "activators",
                "it has no members; a first config has no activators",
            ));
        }
        let parts = ConfigParts {
            cluster_id: ClusterId::from_bytes(id("cluster_id", &config.cluster_id)?),
            id: ConfigId::from_bytes(id("id", &config.id)?),
            ancestors: ids("ancestors", &config.ancestors)?
                .into_iter()
                .map(ConfigId::from_bytes)
                .collect(),
            epoch: required("epoch", config.epoch)?,
            current: members("current", current)?,
            next: config
                .next
                .map(|group| members("next", group))
                .transpose()?,
            activators: members("activators", config.activators.unwrap_or_default())?,
            retired: ids("retired", &config.retired)?
                .into_iter()
                .map(ReplicaId::from_bytes)
                .collect(),
        };
        Config::new(parts).map_err(|error| InvalidMessage::new(field_of(&error), &error))
    }
}

/// Which field of the message an error is about.
fn field_of(error: &InvalidConfig) -> &'static str {
    match error {
        InvalidConfig::GroupSize { group, .. }
        | InvalidConfig::Twice { group, .. }
        | InvalidConfig::Retired { group, .. } => group,
        InvalidConfig::PodName(_) => "members.pod",
        InvalidConfig::TooLong { list, .. } => list,
        InvalidConfig::EpochZero => "epoch",
    }
}
