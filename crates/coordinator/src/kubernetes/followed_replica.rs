//! A replica that is asked wherever its pod is now.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use quorate_register::{
    Advice, Boot, Config, Digest, DigestRequest, Fence, Identity, Key, Page, PageRequest, Pair,
    Replica, ReplicaError, ReplicaId, Timestamp, Write,
};

use crate::membership::Nowhere;

/// The replica in the pod of one name. Its address may change between calls, and a call goes on
/// where it was begun; that no other replica answers for it is the fence's care.
pub(super) struct FollowedReplica {
    pod: String,
    place: ArcSwapOption<Place>,
}

struct Place {
    address: SocketAddr,
    replica: Arc<dyn Replica>,
}

impl FollowedReplica {
    pub(super) fn nowhere(pod: impl Into<String>) -> Self {
        Self {
            pod: pod.into(),
            place: ArcSwapOption::empty(),
        }
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.place.load().as_ref().map(|place| place.address)
    }

    pub(super) fn move_to(&self, address: SocketAddr, replica: Arc<dyn Replica>) {
        self.place.store(Some(Arc::new(Place { address, replica })));
    }

    fn current(&self) -> Arc<dyn Replica> {
        match &*self.place.load() {
            Some(place) => place.replica.clone(),
            None => Arc::new(Nowhere(self.pod.clone())),
        }
    }
}

#[async_trait]
impl Replica for FollowedReplica {
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
        let replica = self.current();
        replica.local_read_timestamp(fence, key, timeout).await
    }

    async fn local_write(
        &self,
        fence: &Fence,
        write: &Write,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        self.current().local_write(fence, write, timeout).await
    }

    async fn scan(
        &self,
        fence: &Fence,
        request: &PageRequest,
        timeout: Duration,
    ) -> Result<Page, ReplicaError> {
        self.current().scan(fence, request, timeout).await
    }

    async fn adopt(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        active: bool,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let replica = self.current();
        replica.adopt(replica_id, config, active, timeout).await
    }

    async fn digest(
        &self,
        fence: &Fence,
        request: &DigestRequest,
        timeout: Duration,
    ) -> Result<Digest, ReplicaError> {
        self.current().digest(fence, request, timeout).await
    }

    async fn admit(
        &self,
        replica_id: ReplicaId,
        boot: Boot,
        volume: Option<&str>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let replica = self.current();
        replica.admit(replica_id, boot, volume, timeout).await
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
