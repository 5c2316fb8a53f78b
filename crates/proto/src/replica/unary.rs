//! A replica behind a channel, a unary call for each request.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_register::{
    Advice, Boot, Config, Digest, DigestRequest, Fence, Identity, Key, Page, PageRequest, Pair,
    Replica, ReplicaError, ReplicaId, Timestamp, Write, Writes,
};
use quorate_trace::{Parent, parent};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::convert::{digest, replica as convert, scan};
use crate::deadline::MAX_TIMEOUT;
use crate::error::{describe, is_timeout};
use crate::v1::replica_client::ReplicaClient;
use crate::{Limits, v1};

/// A [`Replica`] that is reached through a channel; clones share it.
///
/// A call ends within its timeout, also while the channel connects. Dropping it resets its
/// HTTP/2 stream, upon which the other side drops its handler. Every pair that arrives is
/// verified.
#[derive(Debug, Clone)]
pub struct UnaryReplica {
    client: ReplicaClient<Channel>,
    limits: Limits,
}

impl UnaryReplica {
    /// The replica that the channel leads to, whose values are within `limits`.
    pub(super) fn new(channel: Channel, limits: Limits) -> Self {
        let client =
            ReplicaClient::new(channel).max_decoding_message_size(limits.max_message_bytes());
        Self { client, limits }
    }

    /// Makes one call with its timeout, which goes along to the replica.
    async fn call<M, A, F>(
        &self,
        message: M,
        timeout: Duration,
        method: impl FnOnce(ReplicaClient<Channel>, Request<M>) -> F,
    ) -> Result<A, ReplicaError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        // What is longer the replica does not grant, and the header may not be able to say.
        let timeout = timeout.min(MAX_TIMEOUT);
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        if let Some(trace) = Parent::current().span_context() {
            let headers = request.metadata_mut().as_mut();
            headers.insert(parent::TRACEPARENT, parent::to_header(&trace));
        }
        // The channel heeds the timeout too, but only once it is connected.
        match tokio::time::timeout(timeout, method(self.client.clone(), request)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(no_answer(&status, timeout)),
            Err(_) => Err(ReplicaError::TimedOut { waited: timeout }),
        }
    }
}

/// What a status says that no replica's answer came with.
fn no_answer(status: &Status, waited: Duration) -> ReplicaError {
    let problem = describe(status);
    match status.code() {
        Code::DeadlineExceeded => ReplicaError::TimedOut { waited },
        _ if is_timeout(status) => ReplicaError::TimedOut { waited },
        // tonic's words for a message that is too large, or none of this interface.
        Code::OutOfRange | Code::InvalidArgument => ReplicaError::Invalid { problem },
        _ => ReplicaError::Unreachable { problem },
    }
}

#[async_trait]
impl Replica for UnaryReplica {
    async fn local_read(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Pair, ReplicaError> {
        let request = convert::local_read_request(fence, key);
        let call =
            async |mut client: ReplicaClient<Channel>, request| client.local_read(request).await;
        let answer = self.call(request, timeout, call).await?;
        convert::local_read_answer(answer, key, self.limits)
    }

    async fn local_read_timestamp(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Timestamp, ReplicaError> {
        let request = convert::local_read_timestamp_request(fence, key);
        let call = async |mut client: ReplicaClient<Channel>, request| {
            client.local_read_timestamp(request).await
        };
        convert::local_read_timestamp_answer(self.call(request, timeout, call).await?)
    }

    async fn local_write(
        &self,
        fence: &Fence,
        write: &Write,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let request = convert::local_write_request(fence, write);
        let call =
            async |mut client: ReplicaClient<Channel>, request| client.local_write(request).await;
        let answer = self.call(request, timeout, call).await?;
        convert::acknowledgement(answer.refusal)
    }

    async fn local_write_all(
        &self,
        fence: &Fence,
        writes: &Writes,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let request = convert::local_write_all_request(fence, writes);
        let call = async |mut client: ReplicaClient<Channel>, request| {
            client.local_write_all(request).await
        };
        convert::acknowledgement(self.call(request, timeout, call).await?.refusal)
    }

    async fn scan(
        &self,
        fence: &Fence,
        request: &PageRequest,
        timeout: Duration,
    ) -> Result<Page, ReplicaError> {
        let message = scan::scan_request(fence, request);
        let call = async |mut client: ReplicaClient<Channel>, request| client.scan(request).await;
        let answer = self.call(message, timeout, call).await?;
        scan::page(answer, request, self.limits)
    }

    async fn digest(
        &self,
        fence: &Fence,
        request: &DigestRequest,
        timeout: Duration,
    ) -> Result<Digest, ReplicaError> {
        let message = digest::digest_request(fence, request);
        let call = async |mut client: ReplicaClient<Channel>, request| client.digest(request).await;
        digest::digest_answered(self.call(message, timeout, call).await?)
    }

    async fn adopt(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        active: bool,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let request = convert::adopt_request(replica_id, config, active);
        let call = async |mut client: ReplicaClient<Channel>, request| client.adopt(request).await;
        convert::acknowledgement(self.call(request, timeout, call).await?.refusal)
    }

    async fn admit(
        &self,
        replica_id: ReplicaId,
        boot: Boot,
        volume: Option<&str>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let request = convert::admit_request(replica_id, boot, volume);
        let call = async |mut client: ReplicaClient<Channel>, request| client.admit(request).await;
        convert::acknowledgement(self.call(request, timeout, call).await?.refusal)
    }

    async fn retire(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let request = convert::retire_request(replica_id, config);
        let call = async |mut client: ReplicaClient<Channel>, request| client.retire(request).await;
        convert::acknowledgement(self.call(request, timeout, call).await?.refusal)
    }

    async fn advise(
        &self,
        replica_id: ReplicaId,
        advice: Advice,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let request = convert::advise_request(replica_id, advice);
        let call = async |mut client: ReplicaClient<Channel>, request| client.advise(request).await;
        convert::acknowledgement(self.call(request, timeout, call).await?.refusal)
    }

    async fn identify(&self, timeout: Duration) -> Result<Identity, ReplicaError> {
        let call =
            async |mut client: ReplicaClient<Channel>, request| client.identify(request).await;
        let answer = self.call(v1::IdentifyRequest {}, timeout, call).await?;
        answer.try_into().map_err(convert::malformed)
    }
}
