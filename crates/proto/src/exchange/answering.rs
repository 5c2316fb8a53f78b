//! The serving end of an exchange.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::Status;

use super::{BATCH_BYTES, BATCH_ENTRIES, MAX_OPEN_CALLS};

/// What the calls of one service do, and how their answers travel.
pub trait Service: Send + Sync + 'static {
    /// A message of calls.
    type Request: Send + 'static;
    /// What a call is answered.
    type Answer: Send + 'static;
    /// A message of answers.
    type Response: Send + 'static;

    /// The calls of a message, each as the future of its answer, and what it cancels.
    fn open(&self, request: Self::Request) -> Opened<Self::Answer>;

    /// About how many bytes an answer takes.
    fn bytes(answer: &Self::Answer) -> usize;

    /// The message of these answers.
    fn response(answers: Vec<(u64, Self::Answer)>) -> Self::Response;
}

/// What a message asks for.
pub struct Opened<A> {
    /// Calls by id.
    pub calls: Vec<(u64, BoxFuture<'static, A>)>,
    /// Ids of calls to end.
    pub cancelled: Vec<u64>,
}

/// The answers to the calls of `incoming`, for the transport to send.
///
/// It takes in requests only while it is polled for answers, and while less than the limit
/// of calls are open: who sends more waits. When `incoming` ends, or `stop` does, the calls
/// that were taken in are answered before the stream ends; when it is dropped they are dropped.
pub struct Answering<S: Service, I> {
    service: S,
    incoming: Option<I>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    working: FuturesUnordered<Working<S::Answer>>,
    ready: Vec<(u64, S::Answer)>,
    ready_bytes: usize,
}

/// A call that is not answered yet.
struct Working<A> {
    id: u64,
    call: BoxFuture<'static, A>,
}

impl<A> Future for Working<A> {
    type Output = (u64, A);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<(u64, A)> {
        let id = self.id;
        self.call.as_mut().poll(context).map(|answer| (id, answer))
    }
}

impl<S, I> Answering<S, I>
where
    S: Service,
    I: Stream<Item = Result<S::Request, Status>> + Unpin,
{
    /// Answers what comes in, until that or `stop` ends.
    pub fn new(service: S, incoming: I, stop: WaitForCancellationFutureOwned) -> Self {
        Self {
            service,
            incoming: Some(incoming),
            stop: Box::pin(stop),
            working: FuturesUnordered::new(),
            ready: Vec::new(),
            ready_bytes: 0,
        }
    }

    /// Takes in requests; the calls that are answered at once never wait.
    fn take_in(&mut self, context: &mut Context<'_>) {
        if self.incoming.is_some() && self.stop.as_mut().poll(context).is_ready() {
            self.incoming = None;
        }
        while self.working.len() < MAX_OPEN_CALLS
            && !self.is_full()
            && let Some(incoming) = &mut self.incoming
        {
            match Pin::new(incoming).poll_next(context) {
                Poll::Ready(Some(Ok(request))) => self.begin(request, context),
                // What was asked before the peer went away it does not wait for.
                Poll::Ready(Some(Err(_)) | None) => self.incoming = None,
                Poll::Pending => return,
            }
        }
    }

    fn begin(&mut self, request: S::Request, context: &mut Context<'_>) {
        let Opened { calls, cancelled } = self.service.open(request);
        for (id, mut call) in calls {
            match call.as_mut().poll(context) {
                Poll::Ready(answer) => self.answered(id, answer),
                Poll::Pending => self.working.push(Working { id, call }),
            }
        }
        if !cancelled.is_empty() {
            // Rare: the peer only cancels what was not answered for a while.
            let working = std::mem::take(&mut self.working);
            let keep = |working: &Working<_>| !cancelled.contains(&working.id);
            self.working = working.into_iter().filter(keep).collect();
        }
    }

    fn answered(&mut self, id: u64, answer: S::Answer) {
        self.ready_bytes += S::bytes(&answer);
        self.ready.push((id, answer));
    }

    /// Answers for one message. One request may have brought more of them than fit.
    fn take_batch(&mut self) -> Vec<(u64, S::Answer)> {
        if !self.is_full() {
            self.ready_bytes = 0;
            return std::mem::take(&mut self.ready);
        }
        let (mut count, mut bytes) = (0, 0);
        for (_, answer) in &self.ready {
            if count == BATCH_ENTRIES || bytes >= BATCH_BYTES {
                break;
            }
            count += 1;
            bytes += S::bytes(answer);
        }
        self.ready_bytes -= bytes;
        self.ready.drain(..count).collect()
    }

    fn is_full(&self) -> bool {
        self.ready.len() >= BATCH_ENTRIES || self.ready_bytes >= BATCH_BYTES
    }
}

/// Nothing in it is pinned in place.
impl<S: Service, I> Unpin for Answering<S, I> {}

impl<S, I> Stream for Answering<S, I>
where
    S: Service,
    I: Stream<Item = Result<S::Request, Status>> + Unpin,
{
    type Item = Result<S::Response, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        this.take_in(context);
        while !this.is_full()
            && let Poll::Ready(Some((id, answer))) = Pin::new(&mut this.working).poll_next(context)
        {
            this.answered(id, answer);
        }
        if !this.ready.is_empty() {
            return Poll::Ready(Some(Ok(S::response(this.take_batch()))));
        }
        match this.incoming.is_none() && this.working.is_empty() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}
