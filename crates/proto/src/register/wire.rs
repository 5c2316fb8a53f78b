//! The exchange of a client and a coordinator, at both ends.

use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use futures::stream::{BoxStream, StreamExt};
use quorate_register::{OperationError, Reason, Register};
use quorate_trace::Traces;
use tokio::time::Instant;
use tonic::Status;
use tonic::transport::Channel;

use super::RefusalObserver;
use super::traced::{TracedOperation, observed, served};
use crate::convert::operation::{
    RegisterCall, Wanted, answer_bytes, exchange_call, exchange_request, failure, get_answer,
    operation_name, write_answer,
};
use crate::deadline::{Deadline, MAX_TIMEOUT};
use crate::exchange::{
    MAX_ENTRY_BYTES, MAX_MESSAGE_BYTES, Opened, Outgoing, Refusal, Service, Wire,
};
use crate::v1::register_client::RegisterClient;
use crate::v1::register_exchange_answer::Answer;
use crate::{Limits, v1};

/// The calling end.
pub(super) struct RegisterWire {
    client: RegisterClient<Channel>,
}

impl RegisterWire {
    pub(super) fn new(channel: Channel) -> Self {
        let client = RegisterClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Self { client }
    }
}

impl Wire for RegisterWire {
    type Call = RegisterCall;
    type Answer = Answer;
    type Request = v1::RegisterExchangeRequest;
    type Response = v1::RegisterExchangeResponse;

    fn bytes(call: &RegisterCall) -> usize {
        call.bytes()
    }

    fn request(calls: Vec<(u64, RegisterCall)>, cancelled: Vec<u64>) -> Self::Request {
        exchange_request(calls, cancelled)
    }

    fn is_closing(response: &Self::Response) -> bool {
        response.closing
    }

    fn answers(response: Self::Response) -> impl Iterator<Item = (u64, Answer)> + Send {
        // One without an answer is of a newer version; its call ends by its timeout.
        let answers = response.answers.into_iter();
        answers.filter_map(|answer| Some((answer.id, answer.answer?)))
    }

    async fn open(
        &self,
        outgoing: Outgoing<Self>,
    ) -> Result<BoxStream<'static, Result<Self::Response, Status>>, Status> {
        let response = self.client.clone().exchange(outgoing).await?;
        Ok(response.into_inner().boxed())
    }
}

/// The serving end, over any register.
pub struct Exchanged<R: ?Sized> {
    pub(super) register: Arc<R>,
    pub(super) limits: Limits,
    pub(super) observer: Option<Arc<dyn RefusalObserver>>,
    pub(super) traces: Traces,
}

impl<R: Register + ?Sized + 'static> Exchanged<R> {
    fn observe(&self, operation: &'static str, error: &OperationError) {
        if let Some(observer) = &self.observer {
            observer.refused(operation, error);
        }
    }

    /// Makes the call, and makes its answer.
    fn perform(&self, call: RegisterCall, arrived: Instant) -> BoxFuture<'static, Answer> {
        let register = self.register.clone();
        let timeout = call.timeout.min(MAX_TIMEOUT);
        let left = Deadline::new(arrived, timeout).left_for_work();
        if left.is_zero() {
            let message = format!("no time was left of {timeout:?}");
            let error = OperationError::not_applied(Reason::DeadlineExceeded, message);
            self.observe(call.asked.operation(), &error);
            return Box::pin(ready(failure(error)));
        }
        let left = Some(left);
        let span = served(&self.traces, TracedOperation::of(&call.asked), call.trace);
        match call.asked {
            Wanted::Get(key) => Box::pin(async move {
                let result = observed(span, register.get(&key, left)).await;
                get_answer(result, MAX_ENTRY_BYTES)
            }),
            Wanted::Set(key, value) => Box::pin(async move {
                write_answer(observed(span, register.set(&key, value, left)).await)
            }),
            Wanted::Delete(key) => {
                Box::pin(
                    async move { write_answer(observed(span, register.delete(&key, left)).await) },
                )
            }
        }
    }
}

impl<R: Register + ?Sized + 'static> Service for Exchanged<R> {
    type Request = v1::RegisterExchangeRequest;
    type Answer = Answer;
    type Response = v1::RegisterExchangeResponse;

    fn open(&self, request: Self::Request) -> Opened<Answer> {
        let arrived = Instant::now();
        let call = |call: v1::RegisterExchangeCall| {
            let (id, operation) = (call.id, operation_name(&call));
            let call = match exchange_call(call, self.limits) {
                Ok(call) => self.perform(call, arrived),
                Err(error) => {
                    let error = error.into();
                    if let Some(operation) = operation {
                        self.observe(operation, &error);
                    }
                    Box::pin(ready(failure(error)))
                }
            };
            (id, call)
        };
        Opened {
            calls: request.calls.into_iter().map(call).collect(),
            cancelled: request.cancelled,
        }
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        let (reason, message) = match refusal {
            Refusal::Full(limit) => {
                let message = format!("this exchange has its {limit} calls open");
                (Reason::Overloaded, message)
            }
            Refusal::Stopping => (Reason::Stopping, "the coordinator is stopping".to_owned()),
        };
        failure(OperationError::not_applied(reason, message))
    }

    fn bytes(answer: &Answer) -> usize {
        answer_bytes(answer)
    }

    fn response(answers: Vec<(u64, Answer)>, closing: bool) -> Self::Response {
        let answer = |(id, answer)| v1::RegisterExchangeAnswer {
            id,
            answer: Some(answer),
        };
        v1::RegisterExchangeResponse {
            answers: answers.into_iter().map(answer).collect(),
            closing,
        }
    }
}
