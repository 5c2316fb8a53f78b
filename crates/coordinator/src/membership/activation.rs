//! Proving a config active.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, join_all, select};
use futures::stream::FuturesUnordered;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{Config, Identity, Member, MemberSet, ReplicaError, ReplicaId};
use tokio::time::timeout;

use super::Directory;

/// What a proof found.
#[derive(Debug)]
pub enum Proof {
    /// Enough of the members that activate the config hold it or a descendant.
    Active,
    /// The config is active, and some member already holds this descendant of it.
    Superseded(Arc<Config>),
    /// Not enough hold it.
    Unproven {
        /// Why, by member.
        problems: String,
        /// The newest config that some of them hold instead, and that does not descend from it.
        rival: Option<Arc<Config>>,
    },
}

/// Proves `config` active, in one of two ways, whichever is quicker.
///
/// - It is sent to the members that activate it, and who holds it durably, or a descendant of it,
///   is counted (PROTOCOL rule "activation is a fact at the replicas"). Only once it is active the
///   other members are told; that is left to the operations that meet them.
/// - A member says that somebody proved it active, or a descendant of it. Members that activated
///   it and left are wiped in time: then only this record tells.
///
/// Waits at most `limit` for each member. Sending the config twice does no harm.
pub async fn prove_active(
    directory: &dyn Directory,
    config: &Arc<Config>,
    limit: Duration,
) -> Proof {
    if active(Mutation::LineageWithoutActivation) {
        return Proof::Active;
    }
    let counted = count_holders(directory, config, limit);
    let recorded = recorded_active(directory, config, limit);
    match select(pin!(counted), pin!(recorded)).await {
        Either::Left((unproven @ Proof::Unproven { .. }, recorded)) => match recorded.await {
            Some(newest) => proven(config, newest),
            None => unproven,
        },
        Either::Left((proof, _)) => proof,
        Either::Right((Some(newest), _)) => proven(config, newest),
        Either::Right((None, counted)) => counted.await,
    }
}

fn proven(config: &Config, newest: Arc<Config>) -> Proof {
    match newest.id() == config.id() {
        true => Proof::Active,
        false => Proof::Superseded(newest),
    }
}

/// What the first member says that holds the config or a descendant of it, and was told that it is
/// active.
async fn recorded_active(
    directory: &dyn Directory,
    config: &Config,
    limit: Duration,
) -> Option<Arc<Config>> {
    let mut answers: FuturesUnordered<_> = config
        .members()
        .iter()
        .map(|member| {
            let replica = directory.replica(member);
            async move { timeout(limit, replica.identify(limit)).await }
        })
        .collect();
    while let Some(answer) = answers.next().await {
        let Ok(Ok(Identity {
            config: Some(held), ..
        })) = answer
        else {
            continue;
        };
        if held.active && held.config.is_or_descends_from(config.id()) {
            return Some(held.config);
        }
    }
    None
}

async fn count_holders(directory: &dyn Directory, config: &Arc<Config>, limit: Duration) -> Proof {
    let mut answers: FuturesUnordered<_> = config
        .activators()
        .iter()
        .map(|member| async move { (member, offer(directory, member, config, limit).await) })
        .collect();
    let mut holders: Vec<ReplicaId> = Vec::new();
    let (mut newest, mut rival) = (None, None);
    let mut problems = Vec::new();
    while let Some((member, answer)) = answers.next().await {
        match answer {
            Ok(()) => holders.push(member.replica_id),
            Err(ReplicaError::StaleEpoch { config: held })
                if held.is_or_descends_from(config.id()) =>
            {
                holders.push(member.replica_id);
                newest = newer(newest, held);
            }
            Err(error) => {
                problems.push(format!("{}: {error}", member.pod));
                if let ReplicaError::StaleEpoch { config: held }
                | ReplicaError::Fork { config: held } = error
                {
                    rival = newer(rival, held);
                }
            }
        }
        if config.is_activated_by(|id| holders.contains(&id)) {
            return newest.map_or(Proof::Active, Proof::Superseded);
        }
    }
    problems.sort_unstable();
    Proof::Unproven {
        problems: problems.join("; "),
        rival,
    }
}

fn newer(known: Option<Arc<Config>>, other: Arc<Config>) -> Option<Arc<Config>> {
    let newest = known.filter(|known| known.epoch() >= other.epoch());
    newest.or(Some(other))
}

/// Tells all members that `config` is active, and whether a majority of every group has that on
/// disk now. Waits at most `limit` for each.
///
/// [`prove_active`] finds either the members that activated the config, or such a record: those
/// that activated it may be wiped only once the record is there.
pub(crate) async fn record_active(
    directory: &dyn Directory,
    config: &Arc<Config>,
    limit: Duration,
) -> bool {
    let members = config.members();
    let answers = members
        .iter()
        .map(|member| send(directory, member, config, true, limit));
    let answers = join_all(answers).await;
    let mut recorded = MemberSet::default();
    for (index, (member, answer)) in members.iter().zip(answers).enumerate() {
        match answer {
            Ok(()) => {
                recorded.insert(index);
            }
            Err(error) => {
                tracing::debug!(pod = member.pod, %error, "did not record that the config is active");
            }
        }
    }
    config.quorums().reached(recorded)
}

/// Offers the config to one member, without saying that it is active.
pub(super) async fn offer(
    directory: &dyn Directory,
    member: &Member,
    config: &Arc<Config>,
    limit: Duration,
) -> Result<(), ReplicaError> {
    send(directory, member, config, false, limit).await
}

/// Sends the config to one member. The name may lead to another disk by now, which refuses.
async fn send(
    directory: &dyn Directory,
    member: &Member,
    config: &Arc<Config>,
    active: bool,
    limit: Duration,
) -> Result<(), ReplicaError> {
    let replica = directory.replica(member);
    let adopt = replica.adopt(member.replica_id, config, active, limit);
    let adopted = timeout(limit, adopt).await;
    adopted.unwrap_or(Err(ReplicaError::TimedOut { waited: limit }))
}
