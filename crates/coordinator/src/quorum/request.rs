//! The three requests that operations send to replicas.

use std::time::Duration;

use async_trait::async_trait;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{Fence, Key, OpId, Pair, Replica, ReplicaError, Timestamp, Write};

/// What is asked of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Read,
    ReadTimestamp,
    Write,
}

impl Method {
    pub(crate) const ALL: [Self; 3] = [Self::Read, Self::ReadTimestamp, Self::Write];

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "local_read",
            Self::ReadTimestamp => "local_read_timestamp",
            Self::Write => "local_write",
        }
    }

    /// Whether it stores.
    pub(crate) fn writes(self) -> bool {
        self == Self::Write
    }
}

/// One request, sent to every member of a round. Clones share keys and values.
#[async_trait]
pub(crate) trait Request: Clone + Send + Sync + 'static {
    /// What the replica answers.
    type Answer: Send + 'static;
    /// Which it is.
    const METHOD: Method;

    /// Sends it once; `number` counts the attempts at this replica from 1.
    async fn send(
        &self,
        replica: &dyn Replica,
        fence: &Fence,
        number: u32,
        timeout: Duration,
    ) -> Result<Self::Answer, ReplicaError>;
}

/// First phase of a get.
#[derive(Clone)]
pub(crate) struct LocalRead(pub(crate) Key);

#[async_trait]
impl Request for LocalRead {
    type Answer = Pair;
    const METHOD: Method = Method::Read;

    async fn send(
        &self,
        replica: &dyn Replica,
        fence: &Fence,
        _: u32,
        timeout: Duration,
    ) -> Result<Pair, ReplicaError> {
        replica.local_read(fence, &self.0, timeout).await
    }
}

/// First phase of a set.
#[derive(Clone)]
pub(crate) struct LocalReadTimestamp(pub(crate) Key);

#[async_trait]
impl Request for LocalReadTimestamp {
    type Answer = Timestamp;
    const METHOD: Method = Method::ReadTimestamp;

    async fn send(
        &self,
        replica: &dyn Replica,
        fence: &Fence,
        _: u32,
        timeout: Duration,
    ) -> Result<Timestamp, ReplicaError> {
        replica.local_read_timestamp(fence, &self.0, timeout).await
    }
}

/// Second phase of both.
#[derive(Clone)]
pub(crate) struct LocalWrite(pub(crate) Write);

#[async_trait]
impl Request for LocalWrite {
    type Answer = ();
    const METHOD: Method = Method::Write;

    async fn send(
        &self,
        replica: &dyn Replica,
        fence: &Fence,
        number: u32,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        if number > 1 && active(Mutation::TimestampRepicked) {
            return replica
                .local_write(fence, &self.repicked(number), timeout)
                .await;
        }
        replica.local_write(fence, &self.0, timeout).await
    }
}

impl LocalWrite {
    /// Bytes of key and value.
    pub(crate) fn bytes(&self) -> usize {
        let Write { key, pair, .. } = &self.0;
        key.bytes().len() + pair.value.as_ref().map_or(0, |value| value.len())
    }

    /// The same value under a timestamp chosen again, which is a planted bug.
    fn repicked(&self, number: u32) -> Write {
        let Write { key, pair, origin } = &self.0;
        let timestamp = Timestamp {
            counter: pair.timestamp.counter + u64::from(number),
            op_id: OpId::from_bytes([0xff; 16]),
            ..pair.timestamp
        };
        Write {
            key: key.clone(),
            pair: Pair::new(key, timestamp, pair.value.clone()),
            origin: *origin,
        }
    }
}
