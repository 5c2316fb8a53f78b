//! One phase under one config.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{Config, MemberSet};

use super::attempts::{AttemptContext, Refused, ask};
use super::request::Request;
use super::{Phase, Progress};
use crate::membership::View;

/// How a round ended.
pub(crate) enum RoundEnd<A> {
    /// A majority of every group counts.
    Quorum {
        /// Index and answer of each member that answered in this round.
        answers: Vec<(usize, A)>,
        /// The attempts at the others, under way.
        slower: Attempts<A>,
    },
    /// So many final refusals that no quorum is possible.
    Impossible,
    /// A replica holds this newer config: all answers are dropped.
    Stale(Arc<Config>),
}

type Attempt<A> = Pin<Box<dyn Future<Output = (usize, Result<A, Refused>)> + Send>>;

/// The attempts of a round that have not ended. Dropping them gives them up, and counts that.
pub(crate) struct Attempts<A> {
    unanswered: FuturesUnordered<Attempt<A>>,
    context: Arc<AttemptContext>,
    progress: Arc<Progress>,
    /// Why they are given up, where it is not the operation that ends.
    reason: Option<&'static str>,
}

impl<A> Attempts<A> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.unanswered.len()
    }

    /// The next that ends; `None` when all have.
    pub(crate) async fn next(&mut self) -> Option<(usize, Result<A, Refused>)> {
        self.unanswered.next().await
    }

    /// Drops them for this reason.
    pub(crate) fn give_up(mut self, reason: &'static str) {
        self.reason = Some(reason);
    }
}

impl<A> Drop for Attempts<A> {
    fn drop(&mut self) {
        let reason = self.reason.unwrap_or_else(|| self.progress.given_up());
        let metrics = &self.context.metrics;
        metrics.cancelled_attempts(reason, self.unanswered.len());
    }
}

/// Asks every member that does not count already and resolves at the quorum.
///
/// Answers count once per member, and only those of this round, since both `counted` and the
/// attempts are its own.
pub(crate) async fn gather<R: Request>(
    context: &Arc<AttemptContext>,
    progress: &Arc<Progress>,
    view: &Arc<View>,
    phase: Phase,
    request: &R,
    mut counted: MemberSet,
) -> RoundEnd<R::Answer> {
    let quorums = view.config().quorums();
    progress.begin(phase, view.config(), counted);
    let asked = (0..view.config().members().len()).filter(|&member| !counted.contains(member));
    let attempt = |member| {
        let answer = ask(
            context.clone(),
            progress.clone(),
            view.clone(),
            member,
            request.clone(),
        );
        Box::pin(async move { (member, answer.await) }) as Attempt<R::Answer>
    };
    let mut attempts = Attempts {
        unanswered: asked.map(attempt).collect(),
        context: context.clone(),
        progress: progress.clone(),
        reason: None,
    };
    let mut answers = Vec::with_capacity(attempts.len());
    let mut lost = MemberSet::EMPTY;
    while !reached(view, counted, progress) {
        let Some((member, result)) = attempts.next().await else {
            return RoundEnd::Impossible;
        };
        match result {
            Ok(answer) => {
                counted.insert(member);
                if active(Mutation::DuplicateAcksCounted) {
                    // The same answer again, taken for one of somebody else.
                    counted.insert((member + 1) % view.config().members().len());
                }
                progress.counted(counted);
                answers.push((member, answer));
            }
            Err(Refused::Stale(config)) => {
                attempts.give_up("stale_epoch");
                return RoundEnd::Stale(config);
            }
            Err(Refused::Finally) => {
                lost.insert(member);
                if quorums.impossible_without(lost) {
                    attempts.give_up("impossible");
                    return RoundEnd::Impossible;
                }
            }
        }
    }
    RoundEnd::Quorum {
        answers,
        slower: attempts,
    }
}

/// Whether these members are a quorum.
fn reached(view: &View, counted: MemberSet, progress: &Progress) -> bool {
    if active(Mutation::ReadyPodsCounted) {
        // The members that do not answer are left out of the count.
        let failing = progress.latest().map_or(0, |round| round.causes_known());
        let ready = view.config().members().len() - failing;
        return counted.len() > ready / 2;
    }
    view.config().quorums().reached(counted)
}
