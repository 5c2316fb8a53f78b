//! Many calls on one long-lived stream, batched without waiting for company.
//!
//! A unary gRPC call costs more processor time than the work of a replica that it asks for.
//! On an *exchange* a message carries whatever calls are queued when the transport can take
//! one: a lone call leaves at once, and under load a message carries hundreds. Nothing waits
//! for company. Answers come back the same way, in any order.
//!
//! - `Exchange` is the calling end. Its calls are futures: dropping one takes the call out
//!   of the queue, or has it cancelled at the other end if the answer does not come first.
//! - [`Answering`] is the serving end: it performs the calls, and [`Answers`] is the stream of
//!   what came of them. A peer that does not read its answers is not read from either, after a
//!   while; its calls end all the same.
//! - A [`Wire`] says what the calls, answers and messages of one service are.
//!
//! Every call is answered exactly once: by its answer, by its timeout, or when the stream
//! breaks (PROTOCOL rule "an exchange answers each call once"). An id is never used again, so an answer cannot reach another call.
//! Both ends have limits; beyond them calls are refused, or wait at the sender.

mod answering;
mod attended;
mod calling;
mod calls;
mod driver;
mod outbox;
mod outgoing;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

pub use answering::{Answering, Opened, Refusal, Service};
pub use attended::{Attended, OpenExchanges};
pub(crate) use calling::Calling;
pub(crate) use calls::Unanswered;
pub use outbox::Answers;
pub use outgoing::Outgoing;

use calls::Calls;
use driver::Driver;

/// The most calls that one exchange has open at either end.
pub(crate) const MAX_OPEN_CALLS: usize = 1 << calls::INDEX_BITS;

/// The most bytes of keys and values that wait to be sent.
const MAX_QUEUED_BYTES: usize = 64 << 20;

/// A message takes no further call or answer once it has so many...
const BATCH_ENTRIES: usize = 512;
/// ... or so many bytes of keys and values, so that none is held up by the others for long.
const BATCH_BYTES: usize = 64 << 10;

/// Calls and answers with more bytes than this travel alone, as unary calls: HTTP/2 sends
/// these a frame at a time beside the exchange, which they would otherwise hold up.
pub(crate) const MAX_ENTRY_BYTES: usize = 64 << 10;

/// What the largest message takes: a batch that was not full before its last entry, and what
/// surrounds the entries.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// What the calls of one service are, and how they travel.
pub trait Wire: Send + Sync + 'static {
    /// What is asked.
    type Call: Send + 'static;
    /// What is answered.
    type Answer: Send + 'static;
    /// A message of calls.
    type Request: Send + 'static;
    /// A message of answers.
    type Response: Send + 'static;

    /// How many bytes of keys and values a call has.
    fn bytes(call: &Self::Call) -> usize;

    /// The message of a batch: its calls with their ids, and the ids that are cancelled.
    fn request(calls: Vec<(u64, Self::Call)>, cancelled: Vec<u64>) -> Self::Request;

    /// Whether the other end wants no more calls.
    fn is_closing(response: &Self::Response) -> bool;

    /// The answers of a message, with the ids of their calls.
    fn answers(response: Self::Response) -> impl Iterator<Item = (u64, Self::Answer)> + Send;

    /// Opens the stream.
    fn open(
        &self,
        outgoing: Outgoing<Self>,
    ) -> impl Future<Output = Result<BoxStream<'static, Result<Self::Response, Status>>, Status>> + Send
    where
        Self: Sized;
}

/// The calling end of an exchange; clones share it. It opens its stream when it is first
/// used, again whenever that broke, and closes it when the last clone is dropped.
pub(crate) struct Exchange<W: Wire> {
    shared: Arc<Shared<W>>,
}

struct Shared<W: Wire> {
    wire: Arc<W>,
    calls: Arc<Calls<W>>,
    started: Arc<AtomicBool>,
    closed: CancellationToken,
}

impl<W: Wire> Drop for Shared<W> {
    fn drop(&mut self) {
        self.closed.cancel();
        self.calls.close();
    }
}

impl<W: Wire> Clone for Exchange<W> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<W: Wire> fmt::Debug for Exchange<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Exchange");
        fields.field("open_calls", &self.open_calls());
        fields.finish_non_exhaustive()
    }
}

impl<W: Wire> Exchange<W> {
    /// An exchange over this wire, not open yet.
    pub(crate) fn new(wire: W) -> Self {
        Self {
            shared: Arc::new(Shared {
                wire: Arc::new(wire),
                calls: Arc::default(),
                started: Arc::default(),
                closed: CancellationToken::new(),
            }),
        }
    }

    /// How many calls are open, those included that were given up a moment ago.
    pub(crate) fn open_calls(&self) -> usize {
        self.shared.calls.open()
    }

    /// Makes a call that ends with `timeout`, or a few hundredths of a second later; it is queued when
    /// this returns. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When there is no stream, or no room.
    pub(crate) fn call(
        &self,
        call: W::Call,
        timeout: Duration,
    ) -> Result<Calling<'_, W>, Unanswered> {
        let shared = &*self.shared;
        if !shared.started.load(Ordering::Relaxed) && !shared.started.swap(true, Ordering::Relaxed)
        {
            let driver = Driver {
                wire: shared.wire.clone(),
                calls: shared.calls.clone(),
                started: shared.started.clone(),
            };
            let closed = shared.closed.clone();
            tokio::spawn(async move {
                closed.run_until_cancelled(driver.drive()).await;
            });
        }
        shared.calls.queue(call, timeout)
    }
}
