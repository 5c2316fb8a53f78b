//! A stream whose other end is the test.

use std::sync::Arc;
use std::time::Duration;

use futures::channel::mpsc;
use futures::stream::{BoxStream, StreamExt};
use quorate_proto::v1::exchange_answer::Answer;
use quorate_proto::{ExchangeStream, ExchangedReplica, Limits, Requests, Responses, v1};
use tokio::sync::Mutex;
use tonic::Status;

use crate::common::{MemoryReplica, PATIENCE};

/// The other end of one stream.
pub(crate) struct Session {
    requests: BoxStream<'static, v1::ExchangeRequest>,
    answers: mpsc::UnboundedSender<Result<v1::ExchangeResponse, Status>>,
}

/// Hands each stream that is opened to the test, which decides what comes of it.
pub(crate) struct HandDriven {
    wanted: mpsc::UnboundedSender<Wanted>,
}

/// A stream that is about to be opened.
pub(crate) struct Wanted {
    requests: BoxStream<'static, v1::ExchangeRequest>,
    decide: tokio::sync::oneshot::Sender<Result<Responses, Status>>,
}

impl ExchangeStream for HandDriven {
    async fn open(&self, outgoing: Requests<Self>) -> Result<Responses, Status> {
        let (decide, decided) = tokio::sync::oneshot::channel();
        let requests = outgoing.boxed();
        let wanted = Wanted { requests, decide };
        self.wanted
            .unbounded_send(wanted)
            .expect("the test goes on");
        decided.await.expect("the test decides")
    }
}

impl Wanted {
    /// Opens it.
    pub(crate) fn accept(self) -> Session {
        let (answers, received) = mpsc::unbounded();
        assert!(self.decide.send(Ok(received.boxed())).is_ok());
        Session {
            requests: self.requests,
            answers,
        }
    }

    /// Whether nothing will ever be sent on it.
    pub(crate) async fn stays_silent(mut self) -> bool {
        let next = tokio::time::timeout(PATIENCE, self.requests.next());
        next.await.is_ok_and(|message| message.is_none())
    }

    /// Does not.
    pub(crate) fn refuse(self, status: Status) {
        assert!(self.decide.send(Err(status)).is_ok());
    }
}

impl Session {
    /// The next message.
    pub(crate) async fn request(&mut self) -> v1::ExchangeRequest {
        let next = tokio::time::timeout(PATIENCE, self.requests.next());
        next.await
            .expect("a message soon")
            .expect("the stream goes on")
    }

    /// Whether nothing is sent for so long.
    pub(crate) async fn is_silent(&mut self, duration: Duration) -> bool {
        let next = tokio::time::timeout(duration, self.requests.next());
        next.await.is_err()
    }

    /// Whether the caller ended it.
    pub(crate) async fn is_over(&mut self) -> bool {
        let next = tokio::time::timeout(PATIENCE, self.requests.next());
        next.await.expect("an end soon").is_none()
    }

    /// Answers a call.
    pub(crate) fn answer(&self, id: u64, answer: Answer) {
        let answer = v1::ExchangeAnswer {
            id,
            answer: Some(answer),
        };
        let answers = vec![answer];
        let sent = self.answers.unbounded_send(Ok(v1::ExchangeResponse {
            answers,
            closing: false,
        }));
        sent.expect("the caller listens");
    }

    /// Tells the caller to send no more calls.
    pub(crate) fn close(&self) {
        let closing = v1::ExchangeResponse {
            closing: true,
            ..v1::ExchangeResponse::default()
        };
        let sent = self.answers.unbounded_send(Ok(closing));
        sent.expect("the caller listens");
    }

    /// Acknowledges a write.
    pub(crate) fn acknowledge(&self, id: u64) {
        self.answer(id, Answer::Acknowledgement(v1::Acknowledgement {}));
    }

    /// Breaks the stream.
    pub(crate) fn break_off(self, problem: &str) -> BoxStream<'static, v1::ExchangeRequest> {
        let status = Status::unavailable(problem);
        self.answers
            .unbounded_send(Err(status))
            .expect("it listens");
        self.requests
    }
}

/// A replica behind such a stream, and plainly `plain`; and the streams it wants.
pub(crate) fn hand_driven(
    plain: &Arc<MemoryReplica>,
) -> (Arc<ExchangedReplica<HandDriven, MemoryReplica>>, Wants) {
    let (wanted, wants) = mpsc::unbounded();
    let stream = HandDriven { wanted };
    let replica = ExchangedReplica::over(stream, plain.clone(), Limits::default());
    (Arc::new(replica), Wants(Mutex::new(wants)))
}

/// The streams that are wanted, one after the other.
pub(crate) struct Wants(Mutex<mpsc::UnboundedReceiver<Wanted>>);

impl Wants {
    pub(crate) async fn next(&self) -> Wanted {
        let mut wants = self.0.lock().await;
        let next = tokio::time::timeout(PATIENCE, wants.next());
        next.await
            .expect("a stream is wanted soon")
            .expect("it is used")
    }

    pub(crate) async fn next_if_any(&self, within: Duration) -> Option<Wanted> {
        let mut wants = self.0.lock().await;
        tokio::time::timeout(within, wants.next()).await.ok()?
    }

    pub(crate) async fn accept(&self) -> Session {
        self.next().await.accept()
    }

    pub(crate) async fn refuse(&self, status: Status) {
        self.next().await.refuse(status);
    }
}
