//! Futures that belong to a span.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use opentelemetry::Context;
use pin_project_lite::pin_project;

pin_project! {
    /// A future that is polled within a span, if there is one, and dropped within it too: what
    /// it logs when it is given up belongs to the same trace.
    pub struct Scoped<F> {
        // None only while it is dropped.
        #[pin]
        future: Option<F>,
        context: Option<Context>,
    }

    impl<F> PinnedDrop for Scoped<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _attached = this.context.clone().map(Context::attach);
            this.future.set(None);
        }
    }
}

impl<F> Scoped<F> {
    pub(crate) const fn new(future: F, context: Option<Context>) -> Self {
        Self {
            future: Some(future),
            context,
        }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut std::task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _attached = this.context.clone().map(Context::attach);
        let future = this.future.as_pin_mut().expect("it is not dropped");
        future.poll(task)
    }
}
