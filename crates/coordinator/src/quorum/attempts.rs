//! Asking one replica until it answers.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::{Config, Entropy, ReplicaError};
use tokio::time::{Instant, sleep, timeout};

use super::request::Request;
use super::traced::{AttemptSpan, TracedRound};
use super::{Progress, QuorumOptions};
use crate::live::{Live, LiveCounts};
use crate::membership::{Membership, View};
use crate::metrics::{AttemptObserver, CoordinatorMetrics};

/// What all attempts of a coordinator share.
pub(crate) struct AttemptContext {
    pub(crate) membership: Arc<Membership>,
    pub(crate) options: QuorumOptions,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) live: LiveCounts,
    pub(crate) metrics: CoordinatorMetrics,
}

/// What the attempts of one round share.
pub(super) struct Round<R> {
    pub(super) context: Arc<AttemptContext>,
    pub(super) progress: Arc<Progress>,
    pub(super) view: Arc<View>,
    pub(super) request: R,
    pub(super) began: Instant,
    /// Where the spans of its attempts belong, if it is traced.
    pub(super) traced: Option<TracedRound>,
}

/// Why a replica will not answer in this round.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A final answer: asking again is of no use.
    Finally,
    /// Another disk is in the member's place: final too, but perhaps the members changed, and one
    /// that has not answered yet knows.
    Replaced,
    /// It holds this newer config.
    Stale(Arc<Config>),
}

/// Asks the member of this index until it answers. Ends with an answer, with a final refusal, with
/// a newer config, or by being dropped; the round and the operation bound its time.
pub(super) async fn ask<R: Request>(
    round: Arc<Round<R>>,
    member: usize,
) -> Result<R::Answer, Refused> {
    match round.attempt(member, 1, 0, round.began).await {
        Ok(answer) => Ok(answer),
        // Boxed, so that what is made for every request stays small.
        Err(error) => Box::pin(ask_on(&round, member, error)).await,
    }
}

/// What follows a first attempt that failed. A member that left may never answer again, so this
/// also ends when other operations have learnt of a newer config.
async fn ask_on<R: Request>(
    round: &Round<R>,
    member: usize,
    error: ReplicaError,
) -> Result<R::Answer, Refused> {
    let epoch = round.view.config().epoch();
    tokio::select! {
        biased;
        answer = ask_again(round, member, error) => answer,
        newer = round.context.membership.newer_than(epoch) => Err(Refused::Stale(newer)),
    }
}

/// Asks until there is an answer that ends it.
async fn ask_again<R: Request>(
    round: &Round<R>,
    member: usize,
    mut error: ReplicaError,
) -> Result<R::Answer, Refused> {
    let context = &round.context;
    let (mut number, mut silent, mut adoptions) = (1, 0, 0);
    loop {
        silent += u32::from(matches!(error, ReplicaError::TimedOut { .. }));
        let reason = error.code();
        if !round.settle(member, &mut adoptions, error).await? {
            let _waiting = context.live.enter(Live::Backoff);
            sleep(context.options.backoff.pause(number, &*context.entropy)).await;
        }
        number += 1;
        // Only now: most pauses end because others made the quorum.
        let target = round.view.target(member);
        context.metrics.retried(target, R::METHOD, reason);
        error = match round.attempt(member, number, silent, Instant::now()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
    }
}

/// [`ReplicaError::code`] of a replica that is not there.
const UNREACHABLE: &str = "unreachable";

/// After so many adoptions by one member even a further one is followed by a pause.
const MAX_IMMEDIATE_ADOPTIONS: u32 = 2;

impl<R: Request> Round<R> {
    /// One request, one answer or none in time: what the member's answers take, or what is left
    /// until the operation's deadline. The replica is told.
    async fn attempt(
        &self,
        member: usize,
        number: u32,
        silent: u32,
        began: Instant,
    ) -> Result<R::Answer, ReplicaError> {
        let target = self.view.target(member);
        let limit = attempt_limit(target.patience.limit(&self.context.options), silent);
        let limit = limit.min(self.progress.time_left(began));
        let _attempt = self.context.live.enter(Live::Attempt);
        let mut observer = AttemptObserver::begin(&self.context.metrics, target, R::METHOD, began);
        let send = self
            .request
            .send(&*target.replica, &target.fence, number, limit);
        let span = AttemptSpan::begin(self.traced.as_ref(), target, R::METHOD, number);
        let result = span.scope(send).await;
        span.end(result.as_ref().err());
        let took = observer.end(result.as_ref().err());
        if result.is_ok() {
            target.patience.answered_after(took);
        }
        result
    }

    /// Decides what follows the failure of an attempt: an error, when none does; `true` when
    /// the next may be made at once. Counts how often the member adopted the config.
    async fn settle(
        &self,
        member: usize,
        adoptions: &mut u32,
        error: ReplicaError,
    ) -> Result<bool, Refused> {
        let Self {
            context,
            progress,
            view,
            ..
        } = self;
        let target = view.target(member);
        let reason = error.code();
        let mut is_final = error.is_final(R::METHOD.writes());
        let replaced = matches!(error, ReplicaError::WrongReplica { .. });
        match &error {
            ReplicaError::StaleEpoch { config } if is_newer(config, view) => {
                return Err(Refused::Stale(config.clone()));
            }
            // A fork that was never active gives way to a config that is.
            ReplicaError::NeedConfig | ReplicaError::Fork { .. } => {
                // The view is active, so every member may have its config.
                let limit = context.options.attempt_timeout;
                let limit = limit.min(progress.time_left(Instant::now()));
                let replica_id = target.fence.replica_id;
                let adopt = target.replica.adopt(replica_id, view.config(), true, limit);
                let adopted = timeout(limit, adopt).await;
                // Only an answer tells whether a fork gives way; one that did gives way once.
                is_final &= match &adopted {
                    Ok(Ok(())) => *adoptions > 0,
                    Ok(Err(refused)) => refused.is_final(true),
                    Err(_) => false,
                };
                match adopted {
                    Ok(Ok(())) if !is_final && *adoptions < MAX_IMMEDIATE_ADOPTIONS => {
                        *adoptions += 1;
                        return Ok(true);
                    }
                    Ok(Err(ReplicaError::StaleEpoch { config })) if is_newer(&config, view) => {
                        return Err(Refused::Stale(config));
                    }
                    Ok(Err(refused)) => progress.failed(member, refused),
                    _ => progress.failed(member, error),
                }
            }
            _ => progress.failed(member, error),
        }
        // Nobody waits for a background write, and asking a replica that is not there for each
        // of them would be a storm.
        let hopeless = reason == UNREACHABLE && progress.is_over();
        if replaced {
            return Err(Refused::Replaced);
        }
        if is_final || hopeless {
            return Err(Refused::Finally);
        }
        Ok(false)
    }
}

/// Whether a replica that says so is ahead. Following anything else would ask the same replica
/// the same again, without a pause and for ever.
fn is_newer(config: &Config, view: &View) -> bool {
    config.cluster_id() == view.config().cluster_id() && config.epoch() > view.config().epoch()
}

/// How long an attempt may wait after so many that were not answered: twice as long as the
/// last of them, so that an answer which is large, or a replica which is slow, arrives in the
/// end. Those that were refused do not count: a replica that starts refuses many in a short
/// time, and were the next one lost, it would be waited for until the deadline.
fn attempt_limit(patience: Duration, silent: u32) -> Duration {
    patience.saturating_mul(1 << silent.min(16))
}
