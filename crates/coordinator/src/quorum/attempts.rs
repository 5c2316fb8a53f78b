//! Asking one replica until it answers.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::{Config, Entropy, ReplicaError};
use tokio::time::{Instant, sleep, timeout};

use super::request::Request;
use super::{Progress, QuorumOptions};
use crate::live::{Live, LiveCounts};
use crate::membership::View;
use crate::metrics::{AttemptObserver, CoordinatorMetrics};

/// What all attempts of a coordinator share.
pub(crate) struct AttemptContext {
    pub(crate) options: QuorumOptions,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) live: LiveCounts,
    pub(crate) metrics: CoordinatorMetrics,
}

/// Why a replica will not answer in this round.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A final answer: asking again is of no use.
    Finally,
    /// It holds this newer config.
    Stale(Arc<Config>),
}

/// Asks the `member` of `view` until it answers. Ends with an answer, with a final refusal, or
/// by being dropped; the round and the operation bound its time.
pub(crate) async fn ask<R: Request>(
    context: Arc<AttemptContext>,
    progress: Arc<Progress>,
    view: Arc<View>,
    member: usize,
    request: R,
) -> Result<R::Answer, Refused> {
    let target = view.target(member);
    let (mut number, mut silent) = (0, 0);
    loop {
        number += 1;
        let limit = attempt_limit(&context.options, silent).min(progress.time_left());
        let answer = attempt(&context, &view, member, &request, number, limit).await;
        let error = match answer {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        silent += u32::from(matches!(error, ReplicaError::TimedOut { .. }));
        let reason = error.code();
        let is_final = error.is_final(R::WRITES);
        match &error {
            ReplicaError::StaleEpoch { config } if is_newer(config, &view) => {
                return Err(Refused::Stale(config.clone()));
            }
            ReplicaError::NeedConfig => {
                // The view is active, so every member may have its config.
                let limit = context.options.attempt_timeout.min(progress.time_left());
                let adopt =
                    target
                        .replica
                        .adopt(target.fence.replica_id, view.config(), true, limit);
                match timeout(limit, adopt).await {
                    Ok(Ok(())) if number < MAX_IMMEDIATE_ATTEMPTS => continue,
                    Ok(Err(ReplicaError::StaleEpoch { config })) if is_newer(&config, &view) => {
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
        if is_final || hopeless {
            return Err(Refused::Finally);
        }
        context.metrics.retried(&target.pod, R::METHOD, reason);
        let _waiting = context.live.enter(Live::Backoff);
        sleep(context.options.backoff.pause(number, &*context.entropy)).await;
    }
}

/// [`ReplicaError::code`] of a replica that is not there.
const UNREACHABLE: &str = "unreachable";

/// After so many attempts even an adopted config is followed by a pause.
const MAX_IMMEDIATE_ATTEMPTS: u32 = 3;

/// Whether a replica that says so is ahead. Following anything else would ask the same replica
/// the same again, without a pause and for ever.
fn is_newer(config: &Config, view: &View) -> bool {
    config.cluster_id() == view.config().cluster_id() && config.epoch() > view.config().epoch()
}

/// How long an attempt may wait after so many that were not answered: twice as long as the
/// last of them, so that an answer which is large, or a replica which is slow, arrives in the
/// end. Those that were refused do not count: a replica that starts refuses many in a short
/// time, and were the next one lost, it would be waited for until the deadline.
fn attempt_limit(options: &QuorumOptions, silent: u32) -> Duration {
    options.attempt_timeout.saturating_mul(1 << silent.min(16))
}

/// One request, one answer or none in time: that of the options, or what is left until the
/// operation's deadline, which the replica is told.
async fn attempt<R: Request>(
    context: &AttemptContext,
    view: &View,
    member: usize,
    request: &R,
    number: u32,
    limit: Duration,
) -> Result<R::Answer, ReplicaError> {
    let target = view.target(member);
    let _attempt = context.live.enter(Live::Attempt);
    let mut observer =
        AttemptObserver::begin(&context.metrics, &target.pod, R::METHOD, Instant::now());
    let send = request.send(&*target.replica, &target.fence, number, limit);
    let result = timeout(limit, send)
        .await
        .unwrap_or(Err(ReplicaError::TimedOut { waited: limit }));
    observer.end(result.as_ref().err());
    result
}
