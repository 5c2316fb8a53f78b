//! A call from its caller's side.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Wire;
use super::calls::{Calls, Unanswered};

/// A call that was made; its answer, or why there is none.
pub(crate) struct Calling<'a, W: Wire> {
    calls: &'a Calls<W>,
    id: u64,
    over: bool,
}

impl<'a, W: Wire> Calling<'a, W> {
    pub(super) fn new(calls: &'a Calls<W>, id: u64) -> Self {
        Self {
            calls,
            id,
            over: false,
        }
    }
}

impl<W: Wire> Future for Calling<'_, W> {
    type Output = Result<W::Answer, Unanswered>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.calls.poll_answer(self.id, context);
        self.over = polled.is_ready();
        polled
    }
}

impl<W: Wire> Drop for Calling<'_, W> {
    fn drop(&mut self) {
        if !self.over {
            self.calls.give_up(self.id);
        }
    }
}
