//! The scripted replica as a replica: every request is noted, then played.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_register::{
    Advice, Boot, Config, Digest, DigestRequest, Fence, Identity, Key, Page, PageRequest, Pair,
    Replica, ReplicaError, ReplicaId, Timestamp, Write, Writes,
};
use tokio::time::Instant;

use super::{Scripted, Seen};

impl Seen {
    fn new(method: &'static str, timeout: Duration) -> Self {
        Self {
            at: Instant::now(),
            method,
            fence: None,
            write: None,
            offered: None,
            timeout,
        }
    }

    fn fenced(method: &'static str, fence: &Fence, timeout: Duration) -> Self {
        Self {
            fence: Some(*fence),
            ..Self::new(method, timeout)
        }
    }
}

#[async_trait]
impl Replica for Scripted {
    async fn local_read(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Pair, ReplicaError> {
        let seen = Seen::fenced("local_read", fence, timeout);
        self.play(seen, |replica| async move {
            replica.local_read(fence, key, timeout).await
        })
        .await
    }

    async fn local_read_timestamp(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Timestamp, ReplicaError> {
        let seen = Seen::fenced("local_read_timestamp", fence, timeout);
        self.play(seen, |replica| async move {
            replica.local_read_timestamp(fence, key, timeout).await
        })
        .await
    }

    async fn local_write(
        &self,
        fence: &Fence,
        write: &Write,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let seen = Seen {
            write: Some(write.clone()),
            ..Seen::fenced("local_write", fence, timeout)
        };
        self.play(seen, |replica| async move {
            replica.local_write(fence, write, timeout).await
        })
        .await
    }

    async fn local_write_all(
        &self,
        fence: &Fence,
        writes: &Writes,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let seen = Seen::fenced("local_write_all", fence, timeout);
        self.play(seen, |replica| async move {
            replica.local_write_all(fence, writes, timeout).await
        })
        .await
    }

    async fn scan(
        &self,
        fence: &Fence,
        request: &PageRequest,
        timeout: Duration,
    ) -> Result<Page, ReplicaError> {
        let seen = Seen::fenced("scan", fence, timeout);
        self.play(seen, |replica| async move {
            replica.scan(fence, request, timeout).await
        })
        .await
    }

    async fn digest(
        &self,
        fence: &Fence,
        request: &DigestRequest,
        timeout: Duration,
    ) -> Result<Digest, ReplicaError> {
        let seen = Seen::fenced("digest", fence, timeout);
        self.play(seen, |replica| async move {
            replica.digest(fence, request, timeout).await
        })
        .await
    }

    async fn adopt(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        active: bool,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let seen = Seen {
            offered: Some((config.clone(), active)),
            ..Seen::new("adopt", timeout)
        };
        self.play(seen, |replica| async move {
            replica.adopt(replica_id, config, active, timeout).await
        })
        .await
    }

    async fn admit(
        &self,
        replica_id: ReplicaId,
        boot: Boot,
        volume: Option<&str>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let seen = Seen::new("admit", timeout);
        self.play(seen, |replica| async move {
            replica.admit(replica_id, boot, volume, timeout).await
        })
        .await
    }

    async fn retire(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let seen = Seen::new("retire", timeout);
        self.play(seen, |replica| async move {
            replica.retire(replica_id, config, timeout).await
        })
        .await
    }

    async fn advise(
        &self,
        replica_id: ReplicaId,
        advice: Advice,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let seen = Seen::new("advise", timeout);
        self.play(seen, |replica| async move {
            replica.advise(replica_id, advice, timeout).await
        })
        .await
    }

    async fn identify(&self, timeout: Duration) -> Result<Identity, ReplicaError> {
        let seen = Seen::new("identify", timeout);
        self.play(
            seen,
            |replica| async move { replica.identify(timeout).await },
        )
        .await
    }
}
