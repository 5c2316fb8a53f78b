//! What an exchange sends.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::Stream;

use super::Wire;
use super::calls::{Batch, Calls};

/// The messages that an exchange sends, for [`Wire::open`]. They end when the stream is given
/// up.
pub struct Outgoing<W: Wire> {
    calls: Arc<Calls<W>>,
    stream: u64,
}

impl<W: Wire> Outgoing<W> {
    /// Those of the next stream.
    pub(super) fn new(calls: Arc<Calls<W>>) -> Self {
        let stream = calls.stream();
        Self { calls, stream }
    }
}

impl<W: Wire> Stream for Outgoing<W> {
    type Item = W::Request;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<W::Request>> {
        let batch = self.calls.poll_batch(self.stream, context);
        let request = |Batch { calls, cancelled }| W::request(calls, cancelled);
        batch.map(|batch| batch.map(request))
    }
}
