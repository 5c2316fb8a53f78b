//! The attempts of a round that are under way.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::Progress;
use super::attempts::{AttemptContext, Refused};
use super::traced::TracedRound;

/// Why attempts are given up before their answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// The quorum was reached without them.
    Quorum,
    /// The caller went away.
    Abandoned,
    /// The operation's time is up.
    Deadline,
    /// The coordinator stops.
    Stop,
    /// The config changed.
    StaleEpoch,
    /// No quorum is possible any more.
    Impossible,
    /// The background has no room for them.
    Budget,
    /// They took too long in the background.
    BackgroundTimeout,
}

impl GivenUp {
    pub(crate) const ALL: [Self; 8] = [
        Self::Quorum,
        Self::Abandoned,
        Self::Deadline,
        Self::Stop,
        Self::StaleEpoch,
        Self::Impossible,
        Self::Budget,
        Self::BackgroundTimeout,
    ];

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quorum => "quorum",
            Self::Abandoned => "abandoned",
            Self::Deadline => "deadline",
            Self::Stop => "stop",
            Self::StaleEpoch => "stale_epoch",
            Self::Impossible => "impossible",
            Self::Budget => "budget",
            Self::BackgroundTimeout => "background_timeout",
        }
    }
}

type Attempt<A> = Pin<Box<dyn Future<Output = Result<A, Refused>> + Send>>;

/// The attempts of a round that have not ended, by member. Dropping them gives them up, and
/// counts that.
///
/// A round has few members: looking at each when one of them has news costs less than keeping
/// account of which one it was.
pub(crate) struct Pending<A> {
    attempts: Vec<(usize, Attempt<A>)>,
    context: Arc<AttemptContext>,
    progress: Arc<Progress>,
    /// Why they are given up, where it is not the operation that ends.
    reason: Option<GivenUp>,
    /// Where their spans learn of the reason.
    traced: Option<TracedRound>,
}

impl<A> Pending<A> {
    pub(super) fn new(
        attempts: Vec<(usize, Attempt<A>)>,
        context: Arc<AttemptContext>,
        progress: Arc<Progress>,
        traced: Option<TracedRound>,
    ) -> Self {
        Self {
            attempts,
            context,
            progress,
            reason: None,
            traced,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.attempts.len()
    }

    /// The next that ends, with its member; `None` when all have.
    pub(crate) async fn next(&mut self) -> Option<(usize, Result<A, Refused>)> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<(usize, Result<A, Refused>)>> {
        for index in 0..self.attempts.len() {
            let (member, attempt) = &mut self.attempts[index];
            if let Poll::Ready(result) = attempt.as_mut().poll(context) {
                let member = *member;
                drop(self.attempts.remove(index));
                return Poll::Ready(Some((member, result)));
            }
        }
        match self.attempts.is_empty() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }

    /// Notes that the last one has ended, of a write that began at `began`.
    pub(super) fn all_answered(&self, began: Instant) {
        self.context.metrics.slowest_write(began.elapsed());
    }

    /// Drops them for this reason.
    pub(crate) fn give_up(mut self, reason: GivenUp) {
        self.reason = Some(reason);
    }
}

impl<A> Drop for Pending<A> {
    fn drop(&mut self) {
        let reason = self.reason.unwrap_or_else(|| self.progress.given_up());
        let metrics = &self.context.metrics;
        metrics.cancelled_attempts(reason, self.attempts.len());
        if let Some(traced) = &self.traced {
            traced.give_up(reason);
        }
    }
}
