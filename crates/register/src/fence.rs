//! Which requests a replica serves, and which configs it adopts: pure decisions.

use std::sync::Arc;

use crate::config::MAX_ANCESTORS;
use crate::mutation::{Mutation, active};
use crate::{ClusterId, Config, ConfigId, Epoch, HeldConfig, ReplicaError, ReplicaId};

/// What every request carries: for whom it is meant and under which config it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The store that is meant.
    pub cluster_id: ClusterId,
    /// The disk that is meant.
    pub replica_id: ReplicaId,
    /// The config of the round this request belongs to.
    pub config_id: ConfigId,
    /// The epoch of that config.
    pub epoch: Epoch,
}

impl Fence {
    /// The fence of requests to one member under `config`.
    pub fn new(config: &Config, replica_id: ReplicaId) -> Self {
        Self {
            cluster_id: config.cluster_id(),
            replica_id,
            config_id: config.id(),
            epoch: config.epoch(),
        }
    }

    /// Whether the replica `own`, which holds `held`, serves a request with this fence.
    ///
    /// The caller must access the store in the same section, so that no adoption comes
    /// between (PROTOCOL rule "fence and access are one section").
    ///
    /// # Errors
    /// [`ReplicaError::WrongReplica`] for another disk or store, and with the replica's own
    /// config [`ReplicaError::StaleEpoch`] for an older epoch or [`ReplicaError::Fork`] for
    /// another config of the same epoch; [`ReplicaError::NeedConfig`] for a newer one.
    pub fn check(&self, own: ReplicaId, held: Option<&Arc<Config>>) -> Result<(), ReplicaError> {
        check_target(own, self.replica_id)?;
        let Some(held) = held else {
            return Err(ReplicaError::NeedConfig);
        };
        if self.cluster_id != held.cluster_id() {
            return Err(wrong_cluster(self.cluster_id, held.cluster_id()));
        }
        if self.epoch < held.epoch() && active(Mutation::StaleNotFenced) {
            return Ok(());
        }
        if self.epoch < held.epoch() {
            return Err(ReplicaError::StaleEpoch {
                config: held.clone(),
            });
        }
        if self.epoch > held.epoch() {
            return Err(ReplicaError::NeedConfig);
        }
        if self.config_id != held.id() {
            return Err(ReplicaError::Fork {
                config: held.clone(),
            });
        }
        Ok(())
    }
}

/// Whether a request for the disk `meant` reached it.
///
/// # Errors
/// [`ReplicaError::WrongReplica`] when this is another one, `own`.
pub fn check_target(own: ReplicaId, meant: ReplicaId) -> Result<(), ReplicaError> {
    if meant == own {
        return Ok(());
    }
    Err(ReplicaError::WrongReplica {
        problem: format!("this is replica {own}, not {meant}"),
    })
}

/// What a replica does with a config it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adoption {
    /// Make it durable, then serve under it.
    Adopt,
    /// It is the one the replica holds.
    Held,
    /// It is the one the replica holds, and is news to it that it is active: record that.
    MarkActive,
}

/// Whether the replica `own`, which holds `held`, adopts `offered`, which the sender knows to
/// be active when it says so.
///
/// # Errors
/// As [`Fence::check`]; and a config that does not descend from the held one is a
/// [`ReplicaError::Fork`], unless it is active and the held one never was, or the lineage it carries is too short to tell, which makes
/// the replica one with a lost disk.
pub fn judge_adoption(
    own: ReplicaId,
    held: Option<&HeldConfig>,
    offered: &Config,
    active: bool,
) -> Result<Adoption, ReplicaError> {
    let Some(held) = held else {
        if offered.lists(own) {
            return Ok(Adoption::Adopt);
        }
        return Err(ReplicaError::WrongReplica {
            problem: format!("this is replica {own}, which the offered config does not list"),
        });
    };
    let known_active = held.active;
    let held = &held.config;
    if offered.cluster_id() != held.cluster_id() {
        return Err(wrong_cluster(offered.cluster_id(), held.cluster_id()));
    }
    if offered.id() == held.id() {
        return Ok(match active && !known_active {
            true => Adoption::MarkActive,
            false => Adoption::Held,
        });
    }
    if offered.epoch() < held.epoch() {
        return Err(ReplicaError::StaleEpoch {
            config: held.clone(),
        });
    }
    let recovered = offered.epoch().recovery > held.epoch().recovery;
    if recovered || offered.is_or_descends_from(held.id()) && offered.epoch() > held.epoch() {
        return Ok(Adoption::Adopt);
    }
    // Active configs form one path. A config that is not on it will never be active, so nothing
    // is lost with it: it was left behind by a config store whose content went back.
    if active && !known_active && !offered.parts().ancestors.is_empty() {
        return Ok(Adoption::Adopt);
    }
    if offered.epoch() > held.epoch() && offered.parts().ancestors.len() == MAX_ANCESTORS {
        return Err(ReplicaError::LostDisk {
            problem: format!(
                "it holds config {} of epoch {}, older than the lineage of the offered one",
                held.id(),
                held.epoch()
            ),
        });
    }
    Err(ReplicaError::Fork {
        config: held.clone(),
    })
}

pub(crate) fn wrong_cluster(meant: ClusterId, own: ClusterId) -> ReplicaError {
    ReplicaError::WrongReplica {
        problem: format!("this replica belongs to cluster {own}, not {meant}"),
    }
}

#[cfg(test)]
mod tests;
