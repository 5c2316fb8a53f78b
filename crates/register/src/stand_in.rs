//! Replicas that hand on whatever they are asked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Advice, Boot, Config, Digest, DigestRequest, Fence, Identity, Key, Page, PageRequest, Pair,
    Replica, ReplicaError, ReplicaId, Timestamp, Write, Writes,
};

/// Stands in for another replica, which may be a different one from call to call. That makes it
/// a [`Replica`]: each call goes to the one it stands in for when the call begins.
pub trait StandIn: Send + Sync {
    /// What it stands in for.
    type Replica: Replica + ?Sized;

    /// The replica that is asked now.
    fn current(&self) -> Arc<Self::Replica>;
}

#[async_trait]
impl<T: StandIn> Replica for T {
    async fn local_read(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Pair, ReplicaError> {
        self.current().local_read(fence, key, timeout).await
    }

    async fn local_read_timestamp(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Timestamp, ReplicaError> {
        let current = self.current();
        current.local_read_timestamp(fence, key, timeout).await
    }

    async fn local_write(
        &self,
        fence: &Fence,
        write: &Write,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        self.current().local_write(fence, write, timeout).await
    }

    async fn local_write_all(
        &self,
        fence: &Fence,
        writes: &Writes,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        self.current().local_write_all(fence, writes, timeout).await
    }

    async fn scan(
        &self,
        fence: &Fence,
        request: &PageRequest,
        timeout: Duration,
    ) -> Result<Page, ReplicaError> {
        self.current().scan(fence, request, timeout).await
    }

    async fn digest(
        &self,
        fence: &Fence,
        request: &DigestRequest,
        timeout: Duration,
    ) -> Result<Digest, ReplicaError> {
        self.current().digest(fence, request, timeout).await
    }

    async fn adopt(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        active: bool,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let current = self.current();
        current.adopt(replica_id, config, active, timeout).await
    }

    async fn admit(
        &self,
        replica_id: ReplicaId,
        boot: Boot,
        volume: Option<&str>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let current = self.current();
        current.admit(replica_id, boot, volume, timeout).await
    }

    async fn retire(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        self.current().retire(replica_id, config, timeout).await
    }

    async fn advise(
        &self,
        replica_id: ReplicaId,
        advice: Advice,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        self.current().advise(replica_id, advice, timeout).await
    }

    async fn identify(&self, timeout: Duration) -> Result<Identity, ReplicaError> {
        self.current().identify(timeout).await
    }
}
