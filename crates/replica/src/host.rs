//! A replica that outlives its disk: once one is retired and wiped, the next takes its place.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use quorate_register::{
    Advice, Boot, Config, Digest, DigestRequest, Fence, HeldConfig, Identity, Key, Page,
    PageRequest, Pair, Replica, ReplicaError, ReplicaId, Timestamp, Write,
};

use crate::{LocalReplica, Store};

/// The place of a replica in this process: whatever it is asked, it asks the replica that is
/// in the place now.
///
/// A retired replica wipes its disk and comes back with a new id, and where all roles are one
/// process (`quorate dev`) that cannot end for it. What looking the replica up costs a request
/// is one counted reference.
pub struct ReplicaHost<S> {
    current: ArcSwap<LocalReplica<S>>,
}

impl<S: Store> ReplicaHost<S> {
    /// The place, with the replica in it.
    pub fn new(replica: LocalReplica<S>) -> Self {
        Self {
            current: ArcSwap::from_pointee(replica),
        }
    }

    /// The replica in the place now.
    pub fn current(&self) -> Arc<LocalReplica<S>> {
        self.current.load_full()
    }

    /// Puts another replica in the place. Requests that were begun go on at the one before.
    pub fn replace(&self, replica: LocalReplica<S>) {
        self.current.store(Arc::new(replica));
    }

    /// The config served under; `None` on a disk that never held one.
    pub fn config(&self) -> Option<HeldConfig> {
        self.current.load().config()
    }

    /// Reads the gauges that nothing else keeps up to date.
    pub fn observe(&self) {
        self.current.load().observe();
    }
}

#[async_trait]
impl<S: Store> Replica for ReplicaHost<S> {
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
