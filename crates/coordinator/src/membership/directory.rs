//! Where the members are.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_register::{
    Advice, Boot, Config, Digest, DigestRequest, Fence, Identity, Key, Member, Page, PageRequest,
    Pair, Replica, ReplicaError, ReplicaId, Timestamp, Write, Writes,
};

/// Finds replicas by the names of their pods: a static list, the Kubernetes API, or a simulated
/// network. It says nothing about membership.
pub trait Directory: Send + Sync {
    /// The replica that the member is, wherever its pod is now: behind the network, or in this
    /// process (*loopback*). It looks the address up by itself as it changes, and answers
    /// [`ReplicaError::Unreachable`](quorate_register::ReplicaError::Unreachable) while there is none.
    fn replica(&self, member: &Member) -> Arc<dyn Replica>;

    /// The names of all pods known, members or not, in a stable order.
    fn pods(&self) -> Vec<String>;

    /// The replica in a pod, whichever it is.
    fn pod(&self, pod: &str) -> Option<Arc<dyn Replica>>;

    /// The address a pod is reached at, for people.
    fn address(&self, pod: &str) -> Option<String>;

    /// Where a pod runs, for people.
    fn location(&self, _pod: &str) -> Location {
        Location::default()
    }
}

/// Where a pod runs; empty where that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Location {
    /// The zone of its node.
    pub zone: String,
    /// Its node.
    pub node: String,
}

/// Replicas at fixed places: a list of addresses, this process, or both.
#[derive(Default)]
pub struct FixedDirectory {
    pods: Vec<Place>,
}

struct Place {
    pod: String,
    address: String,
    replica: Arc<dyn Replica>,
}

impl FixedDirectory {
    /// Adds a pod; `address` is what people are shown.
    #[must_use]
    pub fn with(
        mut self,
        pod: impl Into<String>,
        address: impl Into<String>,
        replica: Arc<dyn Replica>,
    ) -> Self {
        self.pods.push(Place {
            pod: pod.into(),
            address: address.into(),
            replica,
        });
        self
    }

    fn place(&self, pod: &str) -> Option<&Place> {
        self.pods.iter().find(|place| place.pod == pod)
    }
}

impl Directory for FixedDirectory {
    fn replica(&self, member: &Member) -> Arc<dyn Replica> {
        match self.place(&member.pod) {
            Some(place) => place.replica.clone(),
            None => Arc::new(Nowhere(member.pod.clone())),
        }
    }

    fn pods(&self) -> Vec<String> {
        self.pods.iter().map(|place| place.pod.clone()).collect()
    }

    fn pod(&self, pod: &str) -> Option<Arc<dyn Replica>> {
        self.place(pod).map(|place| place.replica.clone())
    }

    fn address(&self, pod: &str) -> Option<String> {
        self.place(pod).map(|place| place.address.clone())
    }
}

/// A member in a pod with this name, of which no address is known.
pub struct Nowhere(pub String);

impl Nowhere {
    fn error<T>(&self) -> Result<T, ReplicaError> {
        Err(ReplicaError::Unreachable {
            problem: format!("no address is known for pod {}", self.0),
        })
    }
}

#[async_trait]
impl Replica for Nowhere {
    async fn local_read(&self, _: &Fence, _: &Key, _: Duration) -> Result<Pair, ReplicaError> {
        self.error()
    }

    async fn local_read_timestamp(
        &self,
        _: &Fence,
        _: &Key,
        _: Duration,
    ) -> Result<Timestamp, ReplicaError> {
        self.error()
    }

    async fn local_write(&self, _: &Fence, _: &Write, _: Duration) -> Result<(), ReplicaError> {
        self.error()
    }

    async fn local_write_all(
        &self,
        _: &Fence,
        _: &Writes,
        _: Duration,
    ) -> Result<(), ReplicaError> {
        self.error()
    }

    async fn scan(&self, _: &Fence, _: &PageRequest, _: Duration) -> Result<Page, ReplicaError> {
        self.error()
    }

    async fn digest(
        &self,
        _: &Fence,
        _: &DigestRequest,
        _: Duration,
    ) -> Result<Digest, ReplicaError> {
        self.error()
    }

    async fn adopt(
        &self,
        _: ReplicaId,
        _: &Arc<Config>,
        _: bool,
        _: Duration,
    ) -> Result<(), ReplicaError> {
        self.error()
    }

    async fn admit(
        &self,
        _: ReplicaId,
        _: Boot,
        _: Option<&str>,
        _: Duration,
    ) -> Result<(), ReplicaError> {
        self.error()
    }

    async fn retire(&self, _: ReplicaId, _: &Arc<Config>, _: Duration) -> Result<(), ReplicaError> {
        self.error()
    }

    async fn advise(&self, _: ReplicaId, _: Advice, _: Duration) -> Result<(), ReplicaError> {
        self.error()
    }

    async fn identify(&self, _: Duration) -> Result<Identity, ReplicaError> {
        self.error()
    }
}
