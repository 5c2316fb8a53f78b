//! Making the first config.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::config::InvalidConfig;
use quorate_register::{Config, Entropy, Identity, Member, ReplicaId};

use super::activation::{Proof, offer, prove_active, record_active};
use super::identities::identities;
use super::{ConfigStore, ConfigStoreError, Directory, SwapOutcome};

/// Why there is no first config.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// Some replica did not answer; all are needed.
    #[error("all replicas must answer before the first config is made; {problems}")]
    Missing {
        /// Who is missing and why.
        problems: String,
    },
    /// Some disk held a config already: a store exists, or existed.
    #[error(
        "{pod} already belongs to cluster {cluster_id}; \
         a first config is made only from replicas whose disks never held one"
    )]
    NotVirgin {
        /// Which.
        pod: String,
        /// Whose.
        cluster_id: String,
    },
    /// One replica answered under two names.
    #[error("{first} and {second} are the same replica, {replica_id}: correct their addresses")]
    SameReplica {
        /// One name.
        first: String,
        /// The other.
        second: String,
        /// Who answered.
        replica_id: ReplicaId,
    },
    /// Some replica calls itself otherwise. A config with the wrong names would send every
    /// request for a member to another one.
    #[error("{problems}: correct the names or the addresses")]
    Misnamed {
        /// Who, and how it calls itself.
        problems: String,
    },
    /// The config store has a config already.
    #[error("the config store already has config {id}; there is nothing to make")]
    Exists {
        /// Which.
        id: String,
    },
    /// The members are no group.
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
    /// The config store did not answer.
    #[error(transparent)]
    Store(#[from] ConfigStoreError),
    /// The first replica to be asked took no config, or another one.
    #[error("{pod} did not take the first config; somebody else may be making one: {problem}")]
    Refused {
        /// Who was asked first.
        pod: String,
        /// What it said.
        problem: String,
    },
    /// The config was made, but not all members hold it yet; any coordinator goes on.
    #[error("the first config is made but not active yet; {0}")]
    NotActive(String),
}

/// Makes the first config from the replicas in all pods of `directory`.
///
/// Only when all answer with disks that never held a config, and only when the config store,
/// if there is one, has none: the order is to create it there first, and to send it to replicas
/// only once that is confirmed (PROTOCOL rule "bootstrap").
///
/// # Errors
/// See [`BootstrapError`]; nothing was changed unless it is [`BootstrapError::NotActive`], or
/// [`BootstrapError::Store`] from an ambiguous create.
pub async fn bootstrap(
    directory: &dyn Directory,
    config_store: Option<&dyn ConfigStore>,
    entropy: &dyn Entropy,
    limit: Duration,
) -> Result<Arc<Config>, BootstrapError> {
    let members = virgin_members(directory, limit).await?;
    let config = Arc::new(Config::first(members, entropy)?);
    if let Some(store) = config_store
        && store.create(&config).await? == SwapOutcome::Conflict
    {
        let existing = store.read().await?;
        let id = existing.map_or_else(|| "unknown".into(), |stored| stored.config.id().to_string());
        return Err(BootstrapError::Exists { id });
    }
    // Where nobody keeps a config store, several may be doing this at once. All offer their
    // config to the same member first, which takes one; the others stop without having
    // touched anything.
    let arbiter = config
        .members()
        .iter()
        .min_by_key(|member| member.replica_id);
    let arbiter = arbiter.expect("a group has members");
    if let Err(error) = offer(directory, arbiter, &config, limit).await {
        return Err(BootstrapError::Refused {
            pod: arbiter.pod.clone(),
            problem: error.to_string(),
        });
    }
    match prove_active(directory, &config, limit).await {
        Proof::Active | Proof::Superseded(_) => {}
        Proof::Unproven { problems, .. } => return Err(BootstrapError::NotActive(problems)),
    }
    record_active(directory, &config, limit).await;
    record_in_store(config_store, &config).await;
    Ok(config)
}

/// Records in the store, if there is one, that the config is active: that saves a later proof, and
/// nothing depends on it.
pub(super) async fn record_in_store(store: Option<&dyn ConfigStore>, config: &Arc<Config>) {
    let Some(store) = store else { return };
    let result = async {
        match store.read().await? {
            Some(stored) if stored.config.id() == config.id() && !stored.active => {
                store.swap(&stored.version, config, true).await.map(drop)
            }
            _ => Ok(()),
        }
    };
    if let Err(error) = result.await {
        tracing::warn!(%error, "did not record in the config store that the config is active");
    }
}

async fn virgin_members(
    directory: &dyn Directory,
    limit: Duration,
) -> Result<Vec<Member>, BootstrapError> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for (pod, answer) in identities(directory, limit).await {
        match answer {
            // It would take no config. Once its id is in one, nobody could tell its disk, which
            // is empty, from one that was emptied.
            Ok(identity) if !identity.admitted && identity.cluster_id.is_none() => {
                problems.push(format!("{pod}: it is not admitted yet"));
            }
            Ok(identity) => found.push((pod, identity)),
            Err(problem) => problems.push(format!("{pod}: {problem}")),
        }
    }
    // What is wrong already comes first: waiting for the others does not mend it.
    check_virgin(&found)?;
    check_names(&found)?;
    if !problems.is_empty() {
        return Err(BootstrapError::Missing {
            problems: problems.join("; "),
        });
    }
    let member = |(pod, identity): (String, Identity)| Member {
        replica_id: identity.replica_id,
        pod,
    };
    Ok(found.into_iter().map(member).collect())
}

fn check_virgin(found: &[(String, Identity)]) -> Result<(), BootstrapError> {
    let belongs = |(pod, identity): &(String, Identity)| {
        Some(BootstrapError::NotVirgin {
            pod: pod.to_string(),
            cluster_id: identity.cluster_id?.to_string(),
        })
    };
    found.iter().find_map(belongs).map_or(Ok(()), Err)
}

/// Each replica has one name, and it is its own.
fn check_names(found: &[(String, Identity)]) -> Result<(), BootstrapError> {
    for (at, (first, identity)) in found.iter().enumerate() {
        let same = |(_, other): &&(String, Identity)| other.replica_id == identity.replica_id;
        if let Some((second, _)) = found[at + 1..].iter().find(same) {
            return Err(BootstrapError::SameReplica {
                first: first.to_string(),
                second: second.to_string(),
                replica_id: identity.replica_id,
            });
        }
    }
    let misnamed = found.iter().filter(|(pod, it)| *pod != it.pod);
    let problems: Vec<_> = misnamed
        .map(|(pod, it)| format!("the replica listed as {pod} calls itself {}", it.pod))
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(BootstrapError::Misnamed {
        problems: problems.join(", "),
    })
}
