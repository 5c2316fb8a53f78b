//! A replica behind an exchange.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{
    Advice, Boot, Config, Digest, DigestRequest, Fence, Identity, Key, Page, PageRequest, Pair,
    Replica, ReplicaError, ReplicaId, Timestamp, Write, Writes,
};
use quorate_trace::Parent;
use tokio::time::Instant;
use tonic::transport::Channel;

use super::unary::UnaryReplica;
use super::wire::{ExchangeStream, GrpcStream, ReplicaWire};
use crate::Limits;
use crate::convert::exchange::{
    Asked, ReplicaCall, read_answered, timestamp_answered, write_answered,
};
use crate::deadline::MAX_TIMEOUT;
use crate::exchange::{Exchange, MAX_ENTRY_BYTES, MAX_OPEN_CALLS, Unanswered};
use crate::v1::Acknowledgement;
use crate::v1::exchange_answer::Answer;

/// A [`Replica`] that is reached over gRPC; clones share it. Must be used within a tokio
/// runtime.
pub type RemoteReplica = ExchangedReplica<GrpcStream, UnaryReplica>;

impl RemoteReplica {
    /// The replica that the channel leads to, whose values are within `limits`.
    pub fn new(channel: Channel, limits: Limits) -> Self {
        let plain = UnaryReplica::new(channel.clone(), limits);
        Self::over(GrpcStream::new(channel), Arc::new(plain), limits)
    }
}

/// A [`Replica`] of which operations ask what they need on one [exchange](crate::exchange);
/// clones share it. Dropping such a call takes it out of the queue or cancels it at the
/// replica.
///
/// Everything else is asked of the same replica as it is reached plainly, call by call, and
/// so are values that are too large for an exchange, and a replica that knows none. Every
/// call ends with its timeout, or a few hundredths of a second later. Every pair that arrives is verified.
pub struct ExchangedReplica<O: ExchangeStream, P> {
    exchange: Exchange<ReplicaWire<O>>,
    plain: Arc<P>,
    limits: Limits,
}

impl<O: ExchangeStream, P> Clone for ExchangedReplica<O, P> {
    fn clone(&self) -> Self {
        Self {
            exchange: self.exchange.clone(),
            plain: self.plain.clone(),
            limits: self.limits,
        }
    }
}

impl<O: ExchangeStream, P> ExchangedReplica<O, P> {
    /// The replica at the other end of `stream`, which is also reached as `plain`.
    pub fn over(stream: O, plain: Arc<P>, limits: Limits) -> Self {
        Self {
            exchange: Exchange::new(ReplicaWire(stream)),
            plain,
            limits,
        }
    }

    /// How many calls are open on the exchange, those included that were given up and whose
    /// answer is still awaited for a moment.
    pub fn open_calls(&self) -> usize {
        self.exchange.open_calls()
    }

    /// Makes a call on the exchange; `None` when it must be made plainly.
    async fn exchange(
        &self,
        fence: &Fence,
        asked: Asked,
        timeout: Duration,
    ) -> Result<Option<Answer>, ReplicaError> {
        let timeout = timeout.min(MAX_TIMEOUT);
        let call = ReplicaCall {
            fence: *fence,
            timeout,
            asked,
            trace: Parent::current().span_context(),
        };
        if call.bytes() > MAX_ENTRY_BYTES {
            return Ok(None);
        }
        let answer = match self.exchange.call(call, timeout) {
            Ok(calling) => calling.await,
            Err(unanswered) => Err(unanswered),
        };
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(Unanswered::NotTaken) => Ok(None),
            Err(Unanswered::TimedOut { .. }) => Err(ReplicaError::TimedOut { waited: timeout }),
            Err(Unanswered::Full) => Err(ReplicaError::Overloaded {
                limit: MAX_OPEN_CALLS,
            }),
            Err(Unanswered::Broken { sent: true, .. })
                if active(Mutation::LostBatchAcknowledged) =>
            {
                Ok(Some(Answer::Acknowledgement(Acknowledgement {})))
            }
            Err(Unanswered::Broken { problem, .. }) => Err(ReplicaError::Unreachable {
                problem: problem.to_string(),
            }),
        }
    }
}

#[async_trait]
impl<O: ExchangeStream, P: Replica> Replica for ExchangedReplica<O, P> {
    async fn local_read(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Pair, ReplicaError> {
        let began = Instant::now();
        let asked = Asked::Read(key.clone());
        if let Some(answer) = self.exchange(fence, asked, timeout).await?
            && let Some(pair) = read_answered(answer, key, self.limits)?
        {
            return Ok(pair);
        }
        let left = timeout.saturating_sub(began.elapsed());
        self.plain.local_read(fence, key, left).await
    }

    async fn local_read_timestamp(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Timestamp, ReplicaError> {
        let began = Instant::now();
        let asked = Asked::ReadTimestamp(key.clone());
        if let Some(answer) = self.exchange(fence, asked, timeout).await? {
            return timestamp_answered(answer);
        }
        let left = timeout.saturating_sub(began.elapsed());
        self.plain.local_read_timestamp(fence, key, left).await
    }

    async fn local_write(
        &self,
        fence: &Fence,
        write: &Write,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let began = Instant::now();
        let asked = Asked::Write(write.clone());
        if let Some(answer) = self.exchange(fence, asked, timeout).await? {
            return write_answered(answer);
        }
        let left = timeout.saturating_sub(began.elapsed());
        self.plain.local_write(fence, write, left).await
    }

    async fn local_write_all(
        &self,
        fence: &Fence,
        writes: &Writes,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        self.plain.local_write_all(fence, writes, timeout).await
    }

    async fn scan(
        &self,
        fence: &Fence,
        request: &PageRequest,
        timeout: Duration,
    ) -> Result<Page, ReplicaError> {
        self.plain.scan(fence, request, timeout).await
    }

    async fn digest(
        &self,
        fence: &Fence,
        request: &DigestRequest,
        timeout: Duration,
    ) -> Result<Digest, ReplicaError> {
        self.plain.digest(fence, request, timeout).await
    }

    async fn adopt(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        active: bool,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        self.plain.adopt(replica_id, config, active, timeout).await
    }

    async fn admit(
        &self,
        replica_id: ReplicaId,
        boot: Boot,
        volume: Option<&str>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        self.plain.admit(replica_id, boot, volume, timeout).await
    }

    async fn retire(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        self.plain.retire(replica_id, config, timeout).await
    }

    async fn advise(
        &self,
        replica_id: ReplicaId,
        advice: Advice,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        self.plain.advise(replica_id, advice, timeout).await
    }

    async fn identify(&self, timeout: Duration) -> Result<Identity, ReplicaError> {
        self.plain.identify(timeout).await
    }
}
