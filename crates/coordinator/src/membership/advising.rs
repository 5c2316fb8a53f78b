//! Telling replicas that were told to end whether their places are wanted.
//!
//! Every coordinator does it, at all times: while one of them transfers for a change, others that
//! leave wait to hear too.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use quorate_register::{Advice, Config, Identity};
use tokio::time::timeout;

use super::identities::identities;
use super::{Membership, Workload};

/// How often all pods are asked, and how long each has to answer.
const INTERVAL: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(2);

/// Advises all that leave, again and again, until dropped.
pub(crate) async fn keep_advising(membership: Arc<Membership>, workload: Arc<dyn Workload>) {
    loop {
        advise_all(&membership, &*workload, LIMIT).await;
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Looks once at all pods, and advises the replicas that were told to end. Says nothing while no
/// config is known to be active, or it cannot be asked what is wanted. Each pod has `limit` to
/// answer.
pub async fn advise_all(membership: &Membership, workload: &dyn Workload, limit: Duration) {
    let directory = &**membership.directory();
    let mut leaving = Vec::new();
    for (pod, identity) in identities(directory, limit).await {
        match identity {
            Ok(identity) if identity.leaving => leaving.push((pod, identity)),
            _ => {}
        }
    }
    if leaving.is_empty() {
        return;
    }
    // After they were told to end: what is remembered may be older than the wish to end them.
    let wanted = match workload.wanted_now().await {
        Ok(wanted) => wanted,
        Err(problem) => {
            tracing::warn!(%problem, "replicas that leave are not told whether they are wanted");
            return;
        }
    };
    let Some(view) = membership.view() else {
        return;
    };
    let advised = leaving.into_iter().map(|(pod, identity)| {
        let advice = advice(&pod, &identity, view.config(), wanted.as_deref());
        async move {
            let Some(replica) = directory.pod(&pod) else {
                return;
            };
            let advising = replica.advise(identity.replica_id, advice, limit);
            match timeout(limit, advising).await {
                Ok(Ok(())) => tracing::debug!(pod, ?advice, "advised a replica that leaves"),
                Ok(Err(error)) => tracing::debug!(pod, %error, "a replica was not advised"),
                Err(_) => tracing::debug!(pod, "a replica was not advised in time"),
            }
        }
    });
    join_all(advised).await;
}

/// What the replica in `pod` is told, under the active `config`, while these pods are wanted.
pub fn advice(
    pod: &str,
    identity: &Identity,
    config: &Config,
    wanted: Option<&[String]>,
) -> Advice {
    // Where none are wanted the store is to stop, and no change will come for which to wait.
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        return Advice::Unknown;
    };
    if wanted.iter().any(|wanted| wanted == pod) {
        return Advice::Wanted;
    }
    let id = identity.replica_id;
    // A replica may hold a config that is not proven active here yet.
    let held = identity.config.as_ref().map(|held| &held.config);
    let newer = held.filter(|held| held.epoch() > config.epoch());
    match config.lists(id) || newer.is_some_and(|held| held.lists(id)) {
        true => Advice::Unwanted,
        false => Advice::Removed,
    }
}
