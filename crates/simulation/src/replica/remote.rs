//! A replica behind the simulated network.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_register::{
    Advice, Boot, Config, Digest, DigestRequest, Fence, Identity, Key, Page, PageRequest, Pair,
    Replica, ReplicaError, ReplicaId, Timestamp, Write, Writes,
};

use super::ReplicaHost;
use super::request::{Method, ReplicaRequest, Returned};
use crate::network::{Link, Reply};

/// One coordinator's view of one replica: the real replica behind a [`Link`], in the place
/// of the gRPC client.
///
/// A dropped request is never carried out; one whose answer is dropped is carried out and
/// never answered; a doubled one is carried out twice, the second time perhaps much later.
pub(crate) struct SimulatedReplica {
    link: Arc<Link<ReplicaHost>>,
}

impl SimulatedReplica {
    /// The replica at the other end of the link.
    pub(crate) fn new(link: Arc<Link<ReplicaHost>>) -> Self {
        Self { link }
    }

    async fn call(&self, method: Method, timeout: Duration) -> Result<Returned, ReplicaError> {
        let request = ReplicaRequest { method, timeout };
        match tokio::time::timeout(timeout, self.link.ask(request)).await {
            Ok(Reply::Answer(answer)) => answer.0,
            Ok(Reply::Refused) => Err(ReplicaError::Unreachable {
                problem: "connection refused".into(),
            }),
            Ok(Reply::Reset) => Err(ReplicaError::Unreachable {
                problem: "connection reset".into(),
            }),
            Err(_) => Err(ReplicaError::TimedOut { waited: timeout }),
        }
    }
}

/// Every method returns what its name says; see [`ReplicaRequest::perform`].
const KIND: &str = "a replica answers what it was asked";

#[async_trait]
impl Replica for SimulatedReplica {
    async fn local_read(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Pair, ReplicaError> {
        let method = Method::Read(*fence, key.clone());
        match self.call(method, timeout).await? {
            Returned::Pair(pair) => Ok(pair),
            other => unreachable!("{KIND}: {other:?}"),
        }
    }

    async fn local_read_timestamp(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Timestamp, ReplicaError> {
        let method = Method::ReadTimestamp(*fence, key.clone());
        match self.call(method, timeout).await? {
            Returned::Timestamp(timestamp) => Ok(timestamp),
            other => unreachable!("{KIND}: {other:?}"),
        }
    }

    async fn local_write(
        &self,
        fence: &Fence,
        write: &Write,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let method = Method::Write(*fence, write.clone());
        self.call(method, timeout).await.map(drop)
    }

    async fn local_write_all(
        &self,
        fence: &Fence,
        writes: &Writes,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let method = Method::WriteAll(*fence, writes.clone());
        self.call(method, timeout).await.map(drop)
    }

    async fn scan(
        &self,
        fence: &Fence,
        request: &PageRequest,
        timeout: Duration,
    ) -> Result<Page, ReplicaError> {
        let method = Method::Scan(*fence, request.clone());
        match self.call(method, timeout).await? {
            Returned::Page(page) => Ok(page),
            other => unreachable!("{KIND}: {other:?}"),
        }
    }

    async fn digest(
        &self,
        fence: &Fence,
        request: &DigestRequest,
        timeout: Duration,
    ) -> Result<Digest, ReplicaError> {
        let method = Method::Digest(*fence, *request);
        match self.call(method, timeout).await? {
            Returned::Digest(digest) => Ok(digest),
            other => unreachable!("{KIND}: {other:?}"),
        }
    }

    async fn adopt(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        active: bool,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let config = config.clone();
        let method = Method::Adopt {
            replica_id,
            config,
            active,
        };
        self.call(method, timeout).await.map(drop)
    }

    async fn admit(
        &self,
        replica_id: ReplicaId,
        boot: Boot,
        volume: Option<&str>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let volume = volume.map(str::to_owned);
        let method = Method::Admit {
            replica_id,
            boot,
            volume,
        };
        self.call(method, timeout).await.map(drop)
    }

    async fn retire(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let config = config.clone();
        let method = Method::Retire { replica_id, config };
        self.call(method, timeout).await.map(drop)
    }

    async fn advise(
        &self,
        replica_id: ReplicaId,
        advice: Advice,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let method = Method::Advise { replica_id, advice };
        self.call(method, timeout).await.map(drop)
    }

    async fn identify(&self, timeout: Duration) -> Result<Identity, ReplicaError> {
        match self.call(Method::Identify, timeout).await? {
            Returned::Identity(identity) => Ok(identity),
            other => unreachable!("{KIND}: {other:?}"),
        }
    }
}
