//! The exchange of a coordinator and a replica, at both ends.

use std::future::Future;
use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use futures::stream::{BoxStream, Stream, StreamExt};
use quorate_register::{Replica, ReplicaError};
use quorate_trace::Traces;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;

use crate::convert::exchange::{
    Asked, ReplicaCall, answer_bytes, exchange_call, exchange_request, fences, not_done,
    read_answer, timestamp_answer, write_answer,
};
use crate::exchange::{
    Answering, Answers, MAX_ENTRY_BYTES, MAX_MESSAGE_BYTES, Opened, Outgoing, Refusal, Service,
    Wire,
};
use crate::v1::exchange_answer::Answer;
use crate::v1::replica_client::ReplicaClient;
use crate::{Limits, v1};

/// What comes back on the stream of an exchange.
pub type Responses = BoxStream<'static, Result<v1::ExchangeResponse, Status>>;

/// What is sent on it.
pub type Requests<O> = Outgoing<ReplicaWire<O>>;

/// Opens the stream of an exchange with one replica.
pub trait ExchangeStream: Sized + Send + Sync + 'static {
    /// Sends what is `outgoing`, and returns what comes back.
    fn open(
        &self,
        outgoing: Requests<Self>,
    ) -> impl Future<Output = Result<Responses, Status>> + Send;
}

/// The stream over gRPC.
pub struct GrpcStream {
    client: ReplicaClient<Channel>,
}

impl GrpcStream {
    pub(super) fn new(channel: Channel) -> Self {
        let client = ReplicaClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Self { client }
    }
}

impl ExchangeStream for GrpcStream {
    async fn open(&self, outgoing: Requests<Self>) -> Result<Responses, Status> {
        let response = self.client.clone().exchange(outgoing).await?;
        Ok(response.into_inner().boxed())
    }
}

/// The calling end, over any stream.
pub struct ReplicaWire<O>(pub(super) O);

impl<O: ExchangeStream> Wire for ReplicaWire<O> {
    type Call = ReplicaCall;
    type Answer = Answer;
    type Request = v1::ExchangeRequest;
    type Response = v1::ExchangeResponse;

    fn bytes(call: &ReplicaCall) -> usize {
        call.bytes()
    }

    fn request(calls: Vec<(u64, ReplicaCall)>, cancelled: Vec<u64>) -> v1::ExchangeRequest {
        exchange_request(calls, cancelled)
    }

    fn is_closing(response: &v1::ExchangeResponse) -> bool {
        response.closing
    }

    fn answers(response: v1::ExchangeResponse) -> impl Iterator<Item = (u64, Answer)> + Send {
        // One without an answer is of a newer version; its call ends by its timeout.
        let answers = response.answers.into_iter();
        answers.filter_map(|answer| Some((answer.id, answer.answer?)))
    }

    async fn open(&self, outgoing: Outgoing<Self>) -> Result<Responses, Status> {
        self.0.open(outgoing).await
    }
}

/// What `replica` does about what is `incoming`, until that or `stop` ends: a future that
/// somebody must drive, and the stream of its answers.
pub fn exchange_answers<R, I>(
    replica: Arc<R>,
    limits: Limits,
    incoming: I,
    stop: &CancellationToken,
) -> (Answering<Exchanged<R>, I>, Answers<Exchanged<R>>)
where
    R: Replica + ?Sized + 'static,
    I: Stream<Item = Result<v1::ExchangeRequest, Status>> + Unpin,
{
    let exchanged = Exchanged {
        replica,
        limits,
        traces: Traces::off(),
    };
    Answering::new(exchanged, incoming, stop.clone().cancelled_owned())
}

/// The serving end, over any replica.
pub struct Exchanged<R: ?Sized> {
    pub(super) replica: Arc<R>,
    pub(super) limits: Limits,
    pub(super) traces: Traces,
}

impl<R: Replica + ?Sized + 'static> Exchanged<R> {
    /// Makes the call within its trace, and makes its answer.
    fn perform(&self, call: ReplicaCall) -> BoxFuture<'static, Answer> {
        let parent = self.traces.adopt(call.trace.clone());
        let answer = self.answer(call);
        match parent.is_sampled() {
            true => Box::pin(parent.scope(answer)),
            false => answer,
        }
    }

    fn answer(&self, call: ReplicaCall) -> BoxFuture<'static, Answer> {
        let replica = self.replica.clone();
        let ReplicaCall {
            fence,
            timeout,
            asked,
            trace: _,
        } = call;
        match asked {
            Asked::Read(key) => Box::pin(async move {
                let result = replica.local_read(&fence, &key, timeout).await;
                read_answer(result, MAX_ENTRY_BYTES)
            }),
            Asked::ReadTimestamp(key) => Box::pin(async move {
                timestamp_answer(replica.local_read_timestamp(&fence, &key, timeout).await)
            }),
            Asked::Write(write) => {
                Box::pin(
                    async move { write_answer(replica.local_write(&fence, &write, timeout).await) },
                )
            }
        }
    }
}

impl<R: Replica + ?Sized + 'static> Service for Exchanged<R> {
    type Request = v1::ExchangeRequest;
    type Answer = Answer;
    type Response = v1::ExchangeResponse;

    fn open(&self, request: v1::ExchangeRequest) -> Opened<Answer> {
        let fences = fences(request.fences);
        let call = |call: v1::ExchangeCall| {
            let id = call.id;
            let call = match exchange_call(call, &fences, self.limits) {
                Ok(call) => self.perform(call),
                Err(error) => Box::pin(ready(not_done(&error))),
            };
            (id, call)
        };
        Opened {
            calls: request.calls.into_iter().map(call).collect(),
            cancelled: request.cancelled,
        }
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        not_done(&match refusal {
            Refusal::Full(limit) => ReplicaError::Overloaded { limit },
            Refusal::Stopping => ReplicaError::Unreachable {
                problem: "the replica is stopping".to_owned(),
            },
        })
    }

    fn bytes(answer: &Answer) -> usize {
        answer_bytes(answer)
    }

    fn response(answers: Vec<(u64, Answer)>, closing: bool) -> v1::ExchangeResponse {
        let answer = |(id, answer)| v1::ExchangeAnswer {
            id,
            answer: Some(answer),
        };
        v1::ExchangeResponse {
            answers: answers.into_iter().map(answer).collect(),
            closing,
        }
    }
}
