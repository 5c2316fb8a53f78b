//! The serving end of an exchange: work and answers together.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::stream::Stream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Status};

use super::answering::{Answering, Service};
use super::outbox::Answers;
use crate::transport::Retired;

/// How many exchanges a service has open; clones share the count.
#[derive(Debug, Clone, Default)]
pub struct OpenExchanges(Arc<AtomicUsize>);

impl OpenExchanges {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one in, until it is dropped.
    fn one_more(&self) -> OneOpen {
        self.0.fetch_add(1, Ordering::Relaxed);
        OneOpen(self.clone())
    }
}

struct OneOpen(OpenExchanges);

impl Drop for OneOpen {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The answers of an exchange whose work goes on in a task of its own, which ends with it.
pub struct Attended<S: Service> {
    answers: Answers<S>,
    _work: AbortOnDropHandle<()>,
    _counted: OneOpen,
}

impl<S: Service> Attended<S> {
    /// Answers what comes in, until that or `stop` ends, or its connection is
    /// [`Retired`]; it counts as open while it exists. Must be called within a tokio runtime.
    pub(crate) fn new<I>(
        service: S,
        request: Request<I>,
        stop: &CancellationToken,
        open: &OpenExchanges,
    ) -> Self
    where
        I: Stream<Item = Result<S::Request, Status>> + Send + Unpin + 'static,
    {
        let stop = stop.clone();
        let retired = request.extensions().get::<Retired>().cloned();
        let stopped = async move {
            let Some(Retired(retired)) = retired else {
                return stop.cancelled().await;
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = retired.cancelled() => {}
            }
        };
        let (work, answers) = Answering::new(service, request.into_inner(), stopped);
        Self {
            answers,
            _work: AbortOnDropHandle::new(tokio::spawn(work)),
            _counted: open.one_more(),
        }
    }
}

impl<S: Service> Stream for Attended<S> {
    type Item = Result<S::Response, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.answers).poll_next(context)
    }
}
