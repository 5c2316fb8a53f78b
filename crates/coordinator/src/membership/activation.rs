//! Proving a config active.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use quorate_register::{Config, Member, ReplicaError, ReplicaId};
use tokio::time::timeout;

use super::Directory;

/// What a proof found.
#[derive(Debug)]
pub enum Proof {
    /// Enough of the members that activate the config hold it or a descendant.
    Active,
    /// The config is active, and some member already holds this descendant of it.
    Superseded(Arc<Config>),
    /// Not enough answered; here is why.
    Unproven(String),
}

/// Sends `config` to the members that activate it and counts who holds it durably, or a
/// descendant of it (PROTOCOL rule "activation is a fact at the replicas"). Only once it is
/// active the other members are told; that is left to the operations that meet them.
///
/// Waits at most `limit` for each member. Sending the config twice does no harm.
pub async fn prove_active(
    directory: &dyn Directory,
    config: &Arc<Config>,
    limit: Duration,
) -> Proof {
    let mut answers: FuturesUnordered<_> = config
        .activators()
        .iter()
        .map(|member| async move { (member, offer(directory, member, config, limit).await) })
        .collect();
    let mut holders: Vec<ReplicaId> = Vec::new();
    let mut newest: Option<Arc<Config>> = None;
    let mut problems = Vec::new();
    while let Some((member, answer)) = answers.next().await {
        match answer {
            Ok(()) => holders.push(member.replica_id),
            Err(ReplicaError::StaleEpoch { config: held })
                if held.is_or_descends_from(config.id()) =>
            {
                holders.push(member.replica_id);
                if newest
                    .as_ref()
                    .is_none_or(|newest| newest.epoch() < held.epoch())
                {
                    newest = Some(held);
                }
            }
            Err(error) => problems.push(format!("{}: {error}", member.pod)),
        }
        if config.is_activated_by(|id| holders.contains(&id)) {
            return newest.map_or(Proof::Active, Proof::Superseded);
        }
    }
    problems.sort_unstable();
    Proof::Unproven(problems.join("; "))
}

/// Offers the config to one member. The name may lead to another disk by now, which refuses.
pub(super) async fn offer(
    directory: &dyn Directory,
    member: &Member,
    config: &Arc<Config>,
    limit: Duration,
) -> Result<(), ReplicaError> {
    let replica = directory.replica(member);
    let adopt = replica.adopt(member.replica_id, config, false, limit);
    let adopted = timeout(limit, adopt).await;
    adopted.unwrap_or(Err(ReplicaError::TimedOut { waited: limit }))
}
