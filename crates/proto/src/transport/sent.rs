//! Whether anything of a call's message left this process.
//!
//! A call can fail before it was sent: nobody listens, the connection is still being made
//! when time is up. Then it surely has no effect, and saying so lets the caller try another
//! coordinator. Errors alone do not tell, but the body does: a message is sent by polling
//! its body. So each call carries a mark that its body sets when it is first polled, and
//! that the caller sets when it gives up; whoever comes first wins, and a body that comes
//! second sends nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Status, transport};
use tower::Service;

use crate::error::Sent;

const PENDING: u8 = 0;
const SENDING: u8 = 1;
const GIVEN_UP: u8 = 2;

/// One call's mark, shared by the caller and the body.
#[derive(Debug, Clone, Default)]
pub(crate) struct SentMark(Arc<AtomicU8>);

impl SentMark {
    /// Ends the call for the caller: from now on nothing more begins to be sent.
    pub(crate) fn give_up(&self) -> Sent {
        match self.set(GIVEN_UP) {
            SENDING => Sent::Something,
            _ => Sent::Nothing,
        }
    }

    /// Begins to send, unless the caller gave up.
    fn begin(&self) -> bool {
        self.set(SENDING) == SENDING
    }

    /// Sets a pending mark; returns what it is then.
    fn set(&self, mark: u8) -> u8 {
        let set = self
            .0
            .compare_exchange(PENDING, mark, Ordering::AcqRel, Ordering::Acquire);
        set.map_or_else(|before| before, |_| mark)
    }
}

/// A channel that sets the [`SentMark`] in the extensions of a request.
#[derive(Debug, Clone)]
pub(crate) struct Tracked(pub(crate) transport::Channel);

impl Service<Request<Body>> for Tracked {
    type Response = Response<Body>;
    type Error = transport::Error;
    type Future = transport::channel::ResponseFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let request = match request.extensions_mut().remove::<SentMark>() {
            Some(mark) => request.map(|inner| Body::new(MarkedBody { inner, mark })),
            None => request,
        };
        self.0.call(request)
    }
}

struct MarkedBody {
    inner: Body,
    mark: SentMark,
}

impl http_body::Body for MarkedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if !self.mark.begin() {
            return Poll::Ready(Some(Err(Status::cancelled("the caller gave up"))));
        }
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_first_wins() {
        let mark = SentMark::default();
        assert!(mark.begin());
        assert!(mark.begin(), "a body is polled more than once");
        assert_eq!(mark.give_up(), Sent::Something);

        let mark = SentMark::default();
        assert_eq!(mark.give_up(), Sent::Nothing);
        assert!(!mark.begin());
        assert_eq!(mark.give_up(), Sent::Nothing, "and stays so");
    }
}
