//! The serving end of an exchange: answers on their way to the transport.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::stream::Stream;
use parking_lot::Mutex;
use tonic::Status;

use super::answering::Service;
use super::{BATCH_BYTES, BATCH_ENTRIES, MAX_OPEN_CALLS};

/// While answers of so many bytes wait, no further calls are taken in.
const MAX_WAITING_BYTES: usize = 1 << 20;

/// Answers that wait to be sent.
pub(super) struct Outbox<S: Service> {
    state: Mutex<State<S::Answer>>,
}

struct State<A> {
    answers: VecDeque<(u64, A)>,
    bytes: usize,
    /// Whether the caller is still to be told to send no more calls.
    closing: bool,
    /// Once no more answers come: with what the stream ends.
    ended: Option<Option<Status>>,
    /// The stream, when it waits for answers.
    stream: Option<Waker>,
    /// The work, when it waits for room.
    work: Option<Waker>,
}

impl<S: Service> Default for Outbox<S> {
    fn default() -> Self {
        let state = State {
            answers: VecDeque::new(),
            bytes: 0,
            closing: false,
            ended: None,
            stream: None,
            work: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }
}

impl<S: Service> Outbox<S> {
    /// Whether calls may be taken in; if not, the task is woken when they may.
    pub(super) fn has_room(&self, context: &Context<'_>) -> bool {
        let mut state = self.state.lock();
        let room = state.bytes < MAX_WAITING_BYTES && state.answers.len() < MAX_OPEN_CALLS;
        if !room {
            state.work = Some(context.waker().clone());
        }
        room
    }

    /// Takes these answers.
    pub(super) fn put(&self, answers: &mut Vec<(u64, S::Answer)>) {
        if answers.is_empty() {
            return;
        }
        self.change(|state| {
            state.bytes += answers.iter().map(|(_, it)| S::bytes(it)).sum::<usize>();
            state.answers.extend(answers.drain(..));
        });
    }

    /// Tells the caller to send no more calls.
    pub(super) fn say_closing(&self) {
        self.change(|state| state.closing = true);
    }

    /// No more answers come; the first call counts.
    pub(super) fn end(&self, status: Option<Status>) {
        self.change(|state| {
            state.ended.get_or_insert(status);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State<S::Answer>)) {
        let mut state = self.state.lock();
        change(&mut state);
        let stream = state.stream.take();
        drop(state);
        if let Some(stream) = stream {
            stream.wake();
        }
    }
}

/// The answers of an exchange, for the transport to send.
pub struct Answers<S: Service> {
    outbox: Arc<Outbox<S>>,
}

impl<S: Service> Answers<S> {
    pub(super) fn new(outbox: Arc<Outbox<S>>) -> Self {
        Self { outbox }
    }
}

impl<S: Service> Stream for Answers<S> {
    type Item = Result<S::Response, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.outbox.state.lock();
        let closing = std::mem::take(&mut state.closing);
        if closing || !state.answers.is_empty() {
            let answers = take_batch::<S>(&mut state);
            let work = state.work.take();
            drop(state);
            if let Some(work) = work {
                work.wake();
            }
            return Poll::Ready(Some(Ok(S::response(answers, closing))));
        }
        match &mut state.ended {
            Some(status) => Poll::Ready(status.take().map(Err)),
            None => {
                state.stream = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Answers for one message.
fn take_batch<S: Service>(state: &mut State<S::Answer>) -> Vec<(u64, S::Answer)> {
    let mut answers = Vec::with_capacity(state.answers.len().min(BATCH_ENTRIES));
    let mut bytes = 0;
    while answers.len() < BATCH_ENTRIES && bytes < BATCH_BYTES {
        let Some((id, answer)) = state.answers.pop_front() else {
            break;
        };
        bytes += S::bytes(&answer);
        answers.push((id, answer));
    }
    state.bytes -= bytes;
    answers
}
