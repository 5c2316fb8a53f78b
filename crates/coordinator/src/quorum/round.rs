//! One phase under one config.

use std::sync::Arc;

use quorate_register::mutation::{Mutation, active};
use quorate_register::{Config, MemberSet};
use tokio::time::Instant;

use super::attempts::{AttemptContext, Refused, Round, ask};
use super::pending::{GivenUp, Pending};
use super::request::Request;
use super::traced::TracedRound;
use super::{Phase, Progress};
use crate::membership::View;

/// How a round ended.
pub(crate) enum RoundEnd<A> {
    /// A majority of every group counts.
    Quorum {
        /// Index and answer of each member that answered in this round.
        answers: Vec<(usize, A)>,
        /// The attempts at the others, under way.
        slower: Pending<A>,
    },
    /// So many final refusals that no quorum is possible.
    Impossible,
    /// The same, but other disks are in the places of members: perhaps the members changed, and
    /// those that answered before can tell by now.
    Replaced,
    /// A replica holds this newer config: all answers are dropped.
    Stale(Arc<Config>),
}

/// Asks every member that does not count already and resolves at the quorum.
///
/// Answers count once per member, and only those of this round, since both `counted` and the
/// attempts are its own. It begins at `began`, which is now.
pub(crate) async fn gather<R: Request>(
    context: &Arc<AttemptContext>,
    progress: &Arc<Progress>,
    view: &Arc<View>,
    phase: Phase,
    request: &R,
    mut counted: MemberSet,
    began: Instant,
) -> RoundEnd<R::Answer> {
    let quorums = view.config().quorums();
    progress.begin(phase, view.config(), counted);
    let asked = (0..view.config().members().len()).filter(|&member| !counted.contains(member));
    let traced = TracedRound::current();
    let round = Arc::new(Round {
        context: context.clone(),
        progress: progress.clone(),
        view: view.clone(),
        request: request.clone(),
        began,
        traced: traced.clone(),
    });
    let attempt = |member| (member, Box::pin(ask(round.clone(), member)) as _);
    let attempts = asked.map(attempt).collect();
    let mut attempts = Pending::new(attempts, context.clone(), progress.clone(), traced);
    let mut answers = Vec::with_capacity(attempts.len());
    let (mut lost, mut replaced) = (MemberSet::EMPTY, false);
    while !reached(view, counted, phase, progress) {
        let Some((member, result)) = attempts.next().await else {
            return match replaced {
                true => RoundEnd::Replaced,
                false => RoundEnd::Impossible,
            };
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
                attempts.give_up(GivenUp::StaleEpoch);
                return RoundEnd::Stale(config);
            }
            // The members that are left may be at a newer config: they are waited for.
            Err(Refused::Replaced) => replaced = true,
            Err(Refused::Finally) => {
                lost.insert(member);
                if quorums.impossible_without(lost) {
                    attempts.give_up(GivenUp::Impossible);
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
fn reached(view: &View, counted: MemberSet, phase: Phase, progress: &Progress) -> bool {
    if active(Mutation::ReadyPodsCounted) {
        // The members that do not answer are left out of the count.
        let failing = progress.latest().map_or(0, |round| round.causes_known());
        let ready = view.config().members().len() - failing;
        return counted.len() > ready / 2;
    }
    let (current_only, next_only) = match phase {
        Phase::Read => (
            Mutation::JointReadsOfCurrentOnly,
            Mutation::JointReadsOfNextOnly,
        ),
        Phase::Write => (
            Mutation::JointWritesToCurrentOnly,
            Mutation::JointWritesToNextOnly,
        ),
    };
    let quorums = view.config().quorums();
    quorums.mutated(current_only, next_only).reached(counted)
}
