//! The serving end of an exchange: the work.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, Stream};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use super::MAX_OPEN_CALLS;
use super::outbox::{Answers, Outbox};

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

    /// The answer to a call that was not begun.
    fn refuse(&self, refusal: Refusal) -> Self::Answer;

    /// About how many bytes an answer takes.
    fn bytes(answer: &Self::Answer) -> usize;

    /// The message of these answers, and whether the caller is to send no more calls.
    fn response(answers: Vec<(u64, Self::Answer)>, closing: bool) -> Self::Response;
}

/// Why a call is not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// So many are open.
    Full(usize),
    /// The server stops.
    Stopping,
}

/// What a message asks for.
pub struct Opened<A> {
    /// Calls by id.
    pub calls: Vec<(u64, BoxFuture<'static, A>)>,
    /// Ids of calls to end.
    pub cancelled: Vec<u64>,
}

/// So many messages are taken in before other tasks have their turn.
const MESSAGES_AT_ONCE: usize = 16;

/// How long a caller that was told to send no more calls may take to hear it.
const CLOSING_LIMIT: Duration = Duration::from_secs(1);

/// Performs the calls of `incoming`: a future that somebody must drive, and the stream of
/// answers for the transport to send.
///
/// Calls go on, and end by their deadlines, whether or not the transport takes answers; only
/// no further messages are taken in while many answers wait. When `incoming` ends, the calls
/// that were taken in are answered before the stream ends. When `stop` does, the caller is
/// told to send no more, and what it had sent before it heard that is refused by name.
/// Dropping the future drops the calls.
pub struct Answering<S: Service, I> {
    service: S,
    incoming: Option<I>,
    /// Why `incoming` ended, where it was not its end.
    failed: Option<Status>,
    stop: BoxFuture<'static, ()>,
    /// Once the server stops: until when further calls are read, to be refused.
    closing: Option<Pin<Box<Sleep>>>,
    working: FuturesUnordered<Working<S::Answer>>,
    ready: Vec<(u64, S::Answer)>,
    outbox: Arc<Outbox<S>>,
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
    pub fn new(
        service: S,
        incoming: I,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> (Self, Answers<S>) {
        let outbox = Arc::new(Outbox::default());
        let answering = Self {
            service,
            incoming: Some(incoming),
            failed: None,
            stop: Box::pin(stop),
            closing: None,
            working: FuturesUnordered::new(),
            ready: Vec::new(),
            outbox: outbox.clone(),
        };
        (answering, Answers::new(outbox))
    }

    fn poll_stop(&mut self, context: &mut Context<'_>) {
        if self.closing.is_none() && self.stop.as_mut().poll(context).is_ready() {
            self.outbox.say_closing();
            self.closing = Some(Box::pin(sleep(CLOSING_LIMIT)));
        }
        if let Some(limit) = &mut self.closing
            && limit.as_mut().poll(context).is_ready()
        {
            self.incoming = None;
        }
    }

    /// Takes in messages; the calls that are answered at once never wait.
    fn take_in(&mut self, context: &mut Context<'_>) {
        for _ in 0..MESSAGES_AT_ONCE {
            if self.working.len() >= MAX_OPEN_CALLS || !self.outbox.has_room(context) {
                return;
            }
            let Some(incoming) = &mut self.incoming else {
                return;
            };
            match Pin::new(incoming).poll_next(context) {
                Poll::Ready(Some(Ok(request))) => self.begin(request, context),
                Poll::Ready(Some(Err(status))) => {
                    self.failed = Some(status);
                    self.incoming = None;
                }
                Poll::Ready(None) => self.incoming = None,
                Poll::Pending => return,
            }
        }
        context.waker().wake_by_ref();
    }

    fn begin(&mut self, request: S::Request, context: &mut Context<'_>) {
        let Opened { calls, cancelled } = self.service.open(request);
        for (id, mut call) in calls {
            let refusal = match self.working.len() >= MAX_OPEN_CALLS {
                _ if self.closing.is_some() => Some(Refusal::Stopping),
                true => Some(Refusal::Full(MAX_OPEN_CALLS)),
                false => None,
            };
            if let Some(refusal) = refusal {
                self.ready.push((id, self.service.refuse(refusal)));
                continue;
            }
            match call.as_mut().poll(context) {
                Poll::Ready(answer) => self.ready.push((id, answer)),
                Poll::Pending => self.working.push(Working { id, call }),
            }
        }
        self.cancel(cancelled);
    }

    /// Drops these calls. Most were answered already: the peer heard of it too late.
    fn cancel(&mut self, mut cancelled: Vec<u64>) {
        cancelled.sort_unstable();
        let is_cancelled = |call: &Working<_>| cancelled.binary_search(&call.id).is_ok();
        if !cancelled.is_empty() && self.working.iter().any(is_cancelled) {
            let working = std::mem::take(&mut self.working);
            let keep = |call: &Working<_>| !is_cancelled(call);
            self.working = working.into_iter().filter(keep).collect();
        }
    }
}

/// Nothing in it is pinned in place.
impl<S: Service, I> Unpin for Answering<S, I> {}

impl<S, I> Future for Answering<S, I>
where
    S: Service,
    I: Stream<Item = Result<S::Request, Status>> + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.poll_stop(context);
        this.take_in(context);
        while let Poll::Ready(Some(answered)) = Pin::new(&mut this.working).poll_next(context) {
            this.ready.push(answered);
        }
        this.outbox.put(&mut this.ready);
        if this.incoming.is_some() || !this.working.is_empty() {
            return Poll::Pending;
        }
        this.outbox.end(this.failed.take());
        Poll::Ready(())
    }
}

impl<S: Service, I> Drop for Answering<S, I> {
    fn drop(&mut self) {
        self.outbox.end(None);
    }
}
