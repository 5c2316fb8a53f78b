//! Futures that belong to a span.

use std::future::Future;
use std::pin::Pin;
use std::task::{Poll, ready};

use opentelemetry::Context;
use pin_project_lite::pin_project;

pin_project! {
    /// A future that is polled within a span, if there is one.
    pub struct Scoped<F> {
        #[pin]
        future: F,
        context: Option<Context>,
    }
}

impl<F> Scoped<F> {
    pub(crate) const fn new(future: F, context: Option<Context>) -> Self {
        Self { future, context }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _attached = this.context.clone().map(Context::attach);
        Poll::Ready(ready!(this.future.poll(task)))
    }
}
