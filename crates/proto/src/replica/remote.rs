//! A replica behind a channel.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_register::{
    Config, Fence, Identity, Key, Page, PageRequest, Pair, Replica, ReplicaError, ReplicaId,
    Timestamp, Write,
};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::wire::ReplicaWire;
use crate::convert::exchange::{self, Asked, ReplicaCall};
use crate::convert::{replica as convert, scan};
use crate::deadline::MAX_TIMEOUT;
use crate::error::{describe, is_timeout};
use crate::exchange::{Exchange, MAX_ENTRY_BYTES, MAX_OPEN_CALLS, Unanswered};
use crate::v1::exchange_answer::Answer;
use crate::v1::replica_client::ReplicaClient;
use crate::{Limits, v1};

/// A [`Replica`] that is reached through a channel; clones share it.
///
/// What operations are made of travels on one [exchange](crate::exchange): dropping such a
/// call takes it out of the queue or cancels it at the replica. Everything else, pairs that
/// are too large for an exchange, and all calls to a replica that knows no exchange are unary
/// calls: dropping one resets its HTTP/2 stream. Every call ends within its timeout, also
/// while the channel connects. Every pair that arrives is verified.
#[derive(Clone)]
pub struct RemoteReplica {
    client: ReplicaClient<Channel>,
    exchange: Exchange<ReplicaWire>,
    limits: Limits,
}

/// How a call is to be made.
enum Way {
    Answered(Answer),
    ByItself,
}

impl RemoteReplica {
    /// The replica that the channel leads to, whose values are within `limits`.
    pub fn new(channel: Channel, limits: Limits) -> Self {
        let client = ReplicaClient::new(channel.clone())
            .max_decoding_message_size(limits.max_message_bytes());
        let exchange = Exchange::new(ReplicaWire::new(channel));
        Self {
            client,
            exchange,
            limits,
        }
    }

    /// Makes a call on the exchange, unless it must travel by itself.
    async fn exchange(
        &self,
        fence: &Fence,
        asked: Asked,
        timeout: Duration,
    ) -> Result<Way, ReplicaError> {
        let timeout = timeout.min(MAX_TIMEOUT);
        let call = ReplicaCall {
            fence: *fence,
            timeout,
            asked,
        };
        if call.bytes() > MAX_ENTRY_BYTES {
            return Ok(Way::ByItself);
        }
        let answer = match self.exchange.call(call, timeout) {
            Ok(calling) => calling.await,
            Err(unanswered) => Err(unanswered),
        };
        match answer {
            Ok(answer) => Ok(Way::Answered(answer)),
            Err(Unanswered::Unsupported) => Ok(Way::ByItself),
            Err(Unanswered::TimedOut) => Err(ReplicaError::TimedOut { waited: timeout }),
            Err(Unanswered::Full) => Err(ReplicaError::Overloaded {
                limit: MAX_OPEN_CALLS,
            }),
            Err(Unanswered::Broken { problem, .. }) => Err(ReplicaError::Unreachable {
                problem: problem.to_string(),
            }),
        }
    }

    /// Makes one call with its timeout, which goes along to the replica. Its future is large:
    /// where it is the exception it is boxed.
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
impl Replica for RemoteReplica {
    async fn local_read(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Pair, ReplicaError> {
        let asked = Asked::Read(key.clone());
        if let Way::Answered(answer) = self.exchange(fence, asked, timeout).await?
            && let Some(pair) = exchange::read_answered(answer, key, self.limits)?
        {
            return Ok(pair);
        }
        let request = convert::local_read_request(fence, key);
        let call =
            async |mut client: ReplicaClient<Channel>, request| client.local_read(request).await;
        let answer = Box::pin(self.call(request, timeout, call)).await?;
        convert::local_read_answer(answer, key, self.limits)
    }

    async fn local_read_timestamp(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Timestamp, ReplicaError> {
        let asked = Asked::ReadTimestamp(key.clone());
        if let Way::Answered(answer) = self.exchange(fence, asked, timeout).await? {
            return exchange::timestamp_answered(answer);
        }
        let request = convert::local_read_timestamp_request(fence, key);
        let call = async |mut client: ReplicaClient<Channel>, request| {
            client.local_read_timestamp(request).await
        };
        convert::local_read_timestamp_answer(Box::pin(self.call(request, timeout, call)).await?)
    }

    async fn local_write(
        &self,
        fence: &Fence,
        write: &Write,
        timeout: Duration,
    ) -> Result<(), ReplicaError> {
        let asked = Asked::Write(write.clone());
        if let Way::Answered(answer) = self.exchange(fence, asked, timeout).await? {
            return exchange::write_answered(answer);
        }
        let request = convert::local_write_request(fence, write);
        let call =
            async |mut client: ReplicaClient<Channel>, request| client.local_write(request).await;
        let answer = Box::pin(self.call(request, timeout, call)).await?;
        convert::acknowledgement(answer.refusal)
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
        scan::page(answer, request.after.as_ref(), self.limits)
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

    async fn identify(&self, timeout: Duration) -> Result<Identity, ReplicaError> {
        let call =
            async |mut client: ReplicaClient<Channel>, request| client.identify(request).await;
        let answer = self.call(v1::IdentifyRequest {}, timeout, call).await?;
        answer.try_into().map_err(convert::malformed)
    }
}
