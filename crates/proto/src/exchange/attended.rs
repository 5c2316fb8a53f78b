//! The serving end of an exchange: work and answers together.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::Stream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use super::answering::{Answering, Service};
use super::outbox::Answers;

/// The answers of an exchange whose work goes on in a task of its own, which ends with it.
pub struct Attended<S: Service> {
    answers: Answers<S>,
    _work: AbortOnDropHandle<()>,
}

impl<S: Service> Attended<S> {
    /// Answers what comes in, until that or `stop` ends. Must be called within a tokio
    /// runtime.
    pub(crate) fn new<I>(service: S, incoming: I, stop: &CancellationToken) -> Self
    where
        I: Stream<Item = Result<S::Request, Status>> + Send + Unpin + 'static,
    {
        let stop = stop.clone().cancelled_owned();
        let (work, answers) = Answering::new(service, incoming, stop);
        Self {
            answers,
            _work: AbortOnDropHandle::new(tokio::spawn(work)),
        }
    }
}

impl<S: Service> Stream for Attended<S> {
    type Item = Result<S::Response, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.answers).poll_next(context)
    }
}
