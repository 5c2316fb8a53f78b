//! Fences.

use bytes::Bytes;
use quorate_register::{ClusterId, ConfigId, Fence, ReplicaId};

use super::{InvalidMessage, id, required};
use crate::v1;

impl From<&Fence> for v1::Fence {
    fn from(fence: &Fence) -> Self {
        // One allocation for the three ids: this is made for every request.
        let mut ids = [0; 48];
        ids[..16].copy_from_slice(&fence.cluster_id.to_bytes());
        ids[16..32].copy_from_slice(&fence.replica_id.to_bytes());
        ids[32..].copy_from_slice(&fence.config_id.to_bytes());
        let ids = Bytes::copy_from_slice(&ids);
        Self {
            cluster_id: ids.slice(..16),
            replica_id: ids.slice(16..32),
            config_id: ids.slice(32..),
            epoch: Some(fence.epoch.into()),
        }
    }
}

impl TryFrom<v1::Fence> for Fence {
    type Error = InvalidMessage;

    fn try_from(fence: v1::Fence) -> Result<Self, InvalidMessage> {
        Ok(Self {
            cluster_id: ClusterId::from_bytes(id("cluster_id", &fence.cluster_id)?),
            replica_id: ReplicaId::from_bytes(id("replica_id", &fence.replica_id)?),
            config_id: ConfigId::from_bytes(id("config_id", &fence.config_id)?),
            epoch: required("epoch", fence.epoch)?,
        })
    }
}
