//! Finding the config at the start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quorate_register::{Config, HeldConfig};
use tokio::time::timeout;

use super::activation::{Proof, prove_active, record_active};
use super::bootstrap::record_in_store;
use super::identities::identities;
use super::{ConfigStore, Directory, Membership, StoredConfig};

/// Why no config is operated under yet: one sentence for readiness and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadProblem {
    /// Neither the config store nor any replica has a config.
    NoConfig {
        /// Who did not answer, and why.
        problems: String,
    },
    /// The replicas belong to more than one store, and nothing says which is meant.
    Clusters {
        /// Who belongs to which.
        found: String,
    },
    /// A config is known, but it cannot be proven active yet.
    NotActive {
        /// Its epoch.
        epoch: String,
        /// Who did not answer, and why.
        problems: String,
    },
}

impl LoadProblem {
    /// Whether every replica that was asked answered, and none ever had a config.
    pub(super) fn is_of_a_new_store(&self) -> bool {
        matches!(self, Self::NoConfig { problems } if problems.is_empty())
    }
}

impl fmt::Display for LoadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConfig { .. } if self.is_of_a_new_store() => {
                f.write_str("no replica has a config yet: run `quorate bootstrap`")
            }
            Self::NoConfig { problems } => write!(f, "no config is known yet ({problems})"),
            Self::Clusters { found } => write!(
                f,
                "the replicas belong to different clusters ({found}): correct their addresses"
            ),
            Self::NotActive { epoch, problems } => {
                write!(
                    f,
                    "the config of epoch {epoch} is not proven active yet ({problems})"
                )
            }
        }
    }
}

/// Looks once for the newest config, proves it active and operates under it.
///
/// The config store and the replicas are both asked. A config that either records as active is
/// taken; of several the newest. So a coordinator starts while the store is away, and with a
/// minority of replicas away. A missing store object never means that there is no config.
///
/// # Errors
/// [`LoadProblem`]; try again later. The membership tells it to whoever asks in the meantime.
pub async fn load(
    membership: &Membership,
    config_store: Option<&dyn ConfigStore>,
    limit: Duration,
) -> Result<(), LoadProblem> {
    let found = look(membership, config_store, limit).await;
    let problem = found.as_ref().err().cloned();
    membership.problem.store(problem.map(Arc::new));
    found
}

async fn look(
    membership: &Membership,
    config_store: Option<&dyn ConfigStore>,
    limit: Duration,
) -> Result<(), LoadProblem> {
    let directory = &**membership.directory();
    let mut problems = Vec::new();
    let held = held_by_replicas(directory, limit, &mut problems).await;
    let stored = match config_store {
        Some(store) => store.read().await.unwrap_or_else(|error| {
            problems.push(format!("config store: {error}"));
            None
        }),
        None => None,
    };
    let found = of_one_cluster(held, stored)?;
    // A newer config that is not known to be active may be on its way; operations follow it
    // as soon as a replica answers with it.
    if let Some(active) = newest(found.iter().filter(|held| held.active)) {
        membership.install(active);
        return Ok(());
    }
    let Some(newest) = newest(found.iter()) else {
        return Err(LoadProblem::NoConfig {
            problems: problems.join("; "),
        });
    };
    match prove_active(directory, &newest, limit).await {
        Proof::Active => {
            membership.install(newest.clone());
            record_active(directory, &newest, limit).await;
            record_in_store(config_store, &newest).await;
            Ok(())
        }
        Proof::Superseded(newer) => match timeout(limit, membership.follow(&newer)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(LoadProblem::NotActive {
                epoch: newer.epoch().to_string(),
                problems: format!("not within {} ms", limit.as_millis()),
            }),
        },
        Proof::Unproven { problems, .. } => Err(LoadProblem::NotActive {
            epoch: newest.epoch().to_string(),
            problems,
        }),
    }
}

fn newest<'a>(found: impl Iterator<Item = &'a HeldConfig>) -> Option<Arc<Config>> {
    let newest = found.max_by_key(|held| held.config.epoch());
    newest.map(|held| held.config.clone())
}

/// The configs of the one store that is meant: the config store's, or else the only one that
/// the replicas belong to.
fn of_one_cluster(
    held: Vec<(String, HeldConfig)>,
    stored: Option<StoredConfig>,
) -> Result<Vec<HeldConfig>, LoadProblem> {
    let known = stored.as_ref().map(|stored| stored.config.cluster_id());
    let first = held.first().map(|(_, held)| held.config.cluster_id());
    let meant = known.or(first);
    let strangers = held
        .iter()
        .any(|(_, held)| Some(held.config.cluster_id()) != meant);
    if known.is_none() && strangers {
        let place =
            |(pod, held): &(String, HeldConfig)| format!("{pod}: {}", held.config.cluster_id());
        return Err(LoadProblem::Clusters {
            found: held.iter().map(place).collect::<Vec<_>>().join(", "),
        });
    }
    let held = held.into_iter().map(|(_, held)| held);
    let mut found: Vec<_> = held
        .filter(|held| Some(held.config.cluster_id()) == meant)
        .collect();
    found.extend(stored.map(|StoredConfig { config, active, .. }| HeldConfig { config, active }));
    Ok(found)
}

async fn held_by_replicas(
    directory: &dyn Directory,
    limit: Duration,
    problems: &mut Vec<String>,
) -> Vec<(String, HeldConfig)> {
    let mut found = Vec::new();
    for (pod, answer) in identities(directory, limit).await {
        match answer {
            Ok(identity) => found.extend(identity.config.map(|held| (pod, held))),
            Err(problem) => problems.push(format!("{pod}: {problem}")),
        }
    }
    found
}
