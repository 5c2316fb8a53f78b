//! A register behind a channel.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_register::{Entry, Key, OperationError, Register, Version};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::convert::register as convert;
use crate::deadline::{DEFAULT_TIMEOUT, MAX_TIMEOUT};
use crate::error::{Call, Sent, from_status, is_timeout};
use crate::transport::{SentMark, Tracked};
use crate::v1::register_client::RegisterClient;
use crate::{InvalidMessage, Limits, v1};

/// A [`Register`] that is reached through a channel; clones share it.
///
/// Each call ends within its timeout ([`DEFAULT_TIMEOUT`] unless it says otherwise, at most
/// [`MAX_TIMEOUT`]), also while the channel connects. The coordinator answers a little earlier, so that its own
/// error, which knows more, is the one that is seen.
///
/// An error says [`Applied::No`](quorate_register::Applied::No) when a coordinator said so,
/// or when nothing of the call was sent.
#[derive(Debug, Clone)]
pub struct RemoteRegister {
    client: RegisterClient<Tracked>,
}

impl RemoteRegister {
    /// The register that the channel leads to.
    pub fn new(channel: Channel) -> Self {
        // How the coordinator's limit is set is not known here.
        let limit = Limits::largest().max_message_bytes();
        let client = RegisterClient::new(Tracked(channel)).max_decoding_message_size(limit);
        Self { client }
    }

    /// What the coordinator knows of its store.
    ///
    /// # Errors
    /// As of a Get.
    pub async fn status(
        &self,
        timeout: Option<Duration>,
    ) -> Result<v1::StatusResponse, OperationError> {
        let call =
            async |mut client: RegisterClient<Tracked>, request| client.status(request).await;
        self.call(Call::Read, v1::StatusRequest {}, timeout, call)
            .await
    }

    async fn call<M, A, F>(
        &self,
        call: Call,
        message: M,
        timeout: Option<Duration>,
        method: impl FnOnce(RegisterClient<Tracked>, Request<M>) -> F,
    ) -> Result<A, OperationError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        // What is longer the coordinator does not grant, and the header may not be able to say.
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT).min(MAX_TIMEOUT);
        let mark = SentMark::default();
        let mut request = Request::new(message);
        request.set_timeout(timeout);
        request.extensions_mut().insert(mark.clone());
        let status = match tokio::time::timeout(timeout, method(self.client.clone(), request)).await
        {
            Ok(Ok(response)) => return Ok(response.into_inner()),
            Ok(Err(status)) if !is_timeout(&status) => status,
            // By this timer, or by that of tonic, which says less.
            _ => Status::deadline_exceeded(format!("no answer within {timeout:?}")),
        };
        Err(from_status(&status, call, mark.give_up()))
    }
}

/// An answer that breaks the interface: what it was an answer to did happen.
fn malformed(error: InvalidMessage, call: Call) -> OperationError {
    let status = Status::internal(format!("the coordinator's answer: {error}"));
    from_status(&status, call, Sent::Something)
}

#[async_trait]
impl Register for RemoteRegister {
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError> {
        let key = key.bytes().clone();
        let call = async |mut client: RegisterClient<Tracked>, request| client.get(request).await;
        let answer = self
            .call(Call::Read, v1::GetRequest { key }, timeout, call)
            .await?;
        answer
            .try_into()
            .map_err(|error| malformed(error, Call::Read))
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        let key = key.bytes().clone();
        let call = async |mut client: RegisterClient<Tracked>, request| client.set(request).await;
        let answer = self
            .call(Call::Write, v1::SetRequest { key, value }, timeout, call)
            .await?;
        convert::written(answer.version).map_err(|error| malformed(error, Call::Write))
    }

    async fn delete(
        &self,
        key: &Key,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        let key = key.bytes().clone();
        let call =
            async |mut client: RegisterClient<Tracked>, request| client.delete(request).await;
        let answer = self
            .call(Call::Write, v1::DeleteRequest { key }, timeout, call)
            .await?;
        convert::written(answer.version).map_err(|error| malformed(error, Call::Write))
    }
}
