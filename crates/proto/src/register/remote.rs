//! A register behind a channel.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_register::{Entry, Key, OperationError, Reason, Register, Version};
use quorate_trace::{Parent, parent};
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::wire::RegisterWire;
use crate::convert::operation::{self, Problem, RegisterCall, Wanted};
use crate::convert::register as convert;
use crate::deadline::{DEFAULT_TIMEOUT, MAX_TIMEOUT};
use crate::error::{Call, Sent, came_too_late, from_status, is_passed_over, is_timeout};
use crate::exchange::{Exchange, MAX_ENTRY_BYTES, MAX_OPEN_CALLS, Unanswered};
use crate::transport::{SentMark, Tracked};
use crate::v1::register_client::RegisterClient;
use crate::v1::register_exchange_answer::Answer;
use crate::{InvalidMessage, Limits, v1};

/// More connections than this do not end under one call, unless something is wrong.
const MAX_TRANSPARENT_RETRIES: u32 = 3;

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
    exchange: Option<Exchange<RegisterWire>>,
}

impl RemoteRegister {
    /// The register that the channel leads to.
    pub fn new(channel: Channel) -> Self {
        // How the coordinator's limit is set is not known here.
        let limit = Limits::largest().max_message_bytes();
        let client = RegisterClient::new(Tracked(channel)).max_decoding_message_size(limit);
        Self {
            client,
            exchange: None,
        }
    }

    /// The same, but operations travel many to a message on one
    /// [exchange](crate::exchange), which takes a fraction of the processor time at both ends
    /// where very many are made. Large values, and all operations at a coordinator that knows
    /// no exchange, are calls by themselves. Must be used within a tokio runtime.
    pub fn exchanging(channel: Channel) -> Self {
        Self {
            exchange: Some(Exchange::new(RegisterWire::new(channel.clone()))),
            ..Self::new(channel)
        }
    }

    /// Makes a call on the exchange; `None` when it must be made by itself.
    async fn exchange(
        &self,
        call: Call,
        asked: Wanted,
        timeout: Option<Duration>,
    ) -> Result<Option<Answer>, OperationError> {
        let Some(exchange) = &self.exchange else {
            return Ok(None);
        };
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT).min(MAX_TIMEOUT);
        let asked = RegisterCall {
            timeout,
            asked,
            trace: Parent::current().span_context(),
        };
        if asked.bytes() > MAX_ENTRY_BYTES {
            return Ok(None);
        }
        let answer = match exchange.call(asked, timeout) {
            Ok(calling) => calling.await,
            Err(unanswered) => Err(unanswered),
        };
        let (reason, message, sent) = match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(Unanswered::NotTaken) => return Ok(None),
            Err(Unanswered::Full) => {
                let message = format!("{MAX_OPEN_CALLS} calls are open on this connection");
                (Reason::Overloaded, message, false)
            }
            Err(Unanswered::TimedOut { sent }) => {
                let message = format!("no answer within {timeout:?}");
                (Reason::DeadlineExceeded, message, sent)
            }
            Err(Unanswered::Broken { problem, sent }) => {
                (Reason::Unreachable, problem.to_string(), sent)
            }
        };
        Err(match call == Call::Write && sent {
            true => OperationError::unknown(reason, message),
            false => OperationError::not_applied(reason, message),
        })
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

    /// Makes a unary call. One that met the end of its connection and surely was not looked at is
    /// made again on another one, which gRPC calls a transparent retry.
    async fn call<M: Clone, A, F>(
        &self,
        call: Call,
        message: M,
        timeout: Option<Duration>,
        method: impl Fn(RegisterClient<Tracked>, Request<M>) -> F,
    ) -> Result<A, OperationError>
    where
        F: Future<Output = Result<Response<A>, Status>>,
    {
        // What is longer the coordinator does not grant, and the header may not be able to say.
        let timeout = timeout.unwrap_or(DEFAULT_TIMEOUT).min(MAX_TIMEOUT);
        let began = Instant::now();
        let mut retries = 0;
        loop {
            let mark = SentMark::default();
            let left = timeout.saturating_sub(began.elapsed());
            let request = request(message.clone(), left, mark.clone());
            let answer = tokio::time::timeout(left, method(self.client.clone(), request)).await;
            let status = match answer {
                Ok(Ok(response)) => return Ok(response.into_inner()),
                Ok(Err(status)) if !is_timeout(&status) => status,
                // By this timer, or by that of tonic, which says less.
                _ => Status::deadline_exceeded(format!("no answer within {timeout:?}")),
            };
            let sent = mark.give_up();
            let unseen = is_passed_over(&status) || sent == Sent::Nothing && came_too_late(&status);
            if !unseen || retries == MAX_TRANSPARENT_RETRIES {
                return Err(from_status(&status, call, sent));
            }
            retries += 1;
        }
    }
}

fn request<M>(message: M, timeout: Duration, mark: SentMark) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request.extensions_mut().insert(mark);
    if let Some(trace) = Parent::current().span_context() {
        let headers = request.metadata_mut().as_mut();
        headers.insert(parent::TRACEPARENT, parent::to_header(&trace));
    }
    request
}

/// An answer that breaks the interface: what it was an answer to did happen.
fn malformed(error: InvalidMessage, call: Call) -> OperationError {
    let status = Status::internal(format!("the coordinator's answer: {error}"));
    from_status(&status, call, Sent::Something)
}

/// What is left for a call by itself, after the exchange was asked.
fn left(timeout: Option<Duration>, began: Instant) -> Option<Duration> {
    timeout.map(|timeout| timeout.saturating_sub(began.elapsed()))
}

/// Why an answer on the exchange is no result.
fn problem(problem: Problem, call: Call) -> OperationError {
    match problem {
        Problem::Failed(error) => error,
        Problem::Malformed(error) => malformed(error, call),
    }
}

#[async_trait]
impl Register for RemoteRegister {
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError> {
        let began = Instant::now();
        let asked = Wanted::Get(key.clone());
        if let Some(answer) = self.exchange(Call::Read, asked, timeout).await?
            && let Some(entry) = operation::got(answer).map_err(|it| problem(it, Call::Read))?
        {
            return Ok(entry);
        }
        let timeout = left(timeout, began);
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
        let began = Instant::now();
        let asked = Wanted::Set(key.clone(), value.clone());
        if let Some(answer) = self.exchange(Call::Write, asked, timeout).await? {
            return operation::wrote(answer).map_err(|it| problem(it, Call::Write));
        }
        let timeout = left(timeout, began);
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
        let began = Instant::now();
        let asked = Wanted::Delete(key.clone());
        if let Some(answer) = self.exchange(Call::Write, asked, timeout).await? {
            return operation::wrote(answer).map_err(|it| problem(it, Call::Write));
        }
        let timeout = left(timeout, began);
        let key = key.bytes().clone();
        let call =
            async |mut client: RegisterClient<Tracked>, request| client.delete(request).await;
        let answer = self
            .call(Call::Write, v1::DeleteRequest { key }, timeout, call)
            .await?;
        convert::written(answer.version).map_err(|error| malformed(error, Call::Write))
    }
}
