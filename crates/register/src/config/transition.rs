//! From one config to the next: pure, and the only way a config comes about after the first.
//!
//! ```text
//!            joint                     finish
//! {e, C1} ───────────▶ {e+1, C1, C2} ───────────▶ {e+2, C2}
//!                            │         abort
//!                            └──────────────────▶ {e+2, C1}
//! ```

use super::{Config, ConfigParts, Epoch, InvalidConfig, MAX_ANCESTORS, MAX_RETIRED, Member};
use crate::mutation::{Mutation, active};
use crate::{ConfigId, Entropy, ReplicaId};

/// Why a config has no such successor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransitionError {
    /// One change at a time.
    #[error("a change is under way already: the config of epoch {epoch} is joint")]
    Joint {
        /// The config's.
        epoch: Epoch,
    },
    /// There is no change to end.
    #[error("no change is under way: the config of epoch {epoch} is not joint")]
    NotJoint {
        /// The config's.
        epoch: Epoch,
    },
    /// A change that changes nothing.
    #[error("the config of epoch {epoch} has these members already")]
    Unchanged {
        /// The config's.
        epoch: Epoch,
    },
    /// The result would be no config.
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
}

impl Config {
    /// The joint config that begins the change to the group `next`.
    ///
    /// # Errors
    /// When a change is under way, `next` is no group, has a member that is retired, or is the
    /// current group.
    pub fn joint(&self, next: Vec<Member>, entropy: &dyn Entropy) -> Result<Self, TransitionError> {
        let epoch = self.epoch();
        if self.is_joint() {
            return Err(TransitionError::Joint { epoch });
        }
        let kept = next.iter().filter(|member| self.lists(member.replica_id));
        if kept.count() == next.len() && next.len() == self.parts.current.len() {
            return Err(TransitionError::Unchanged { epoch });
        }
        let child = ConfigParts {
            next: Some(next),
            ..self.child(epoch.recovery, entropy)
        };
        Ok(Self::new(child)?)
    }

    /// The config that ends a change: the next group decides alone. Those that leave are retired.
    ///
    /// It may take the place of this config only once a majority of the next group has all that
    /// was written before (PROTOCOL rule "finish on the very version transferred").
    ///
    /// # Errors
    /// When no change is under way.
    pub fn finish(&self, entropy: &dyn Entropy) -> Result<Self, TransitionError> {
        let next = self.next_group()?;
        let mut child = ConfigParts {
            current: next.to_vec(),
            ..self.child(self.epoch().recovery, entropy)
        };
        if active(Mutation::ActivatedByNextGroup) {
            child.activators = next.to_vec();
        }
        Ok(Self::new(retiring(child, &self.parts.current, next))?)
    }

    /// The config that gives a change up: the current group decides alone again. Those that were
    /// to join are retired, since they may hold a config that never came to be.
    ///
    /// # Errors
    /// When no change is under way.
    pub fn abort(&self, entropy: &dyn Entropy) -> Result<Self, TransitionError> {
        let next = self.next_group()?;
        let child = self.child(self.epoch().recovery, entropy);
        Ok(Self::new(retiring(child, next, &self.parts.current))?)
    }

    /// The same groups as the first config after a recovery, which every replica that holds this
    /// config or an older one adopts (PROTOCOL rule "lost object").
    ///
    /// # Errors
    /// Never for a valid config.
    pub fn recovered(&self, entropy: &dyn Entropy) -> Result<Self, TransitionError> {
        let child = ConfigParts {
            next: self.parts.next.clone(),
            ..self.child(self.epoch().recovery + 1, entropy)
        };
        Ok(Self::new(child)?)
    }

    /// A recovery in which only these members of this config go on, whatever the others had.
    ///
    /// # Errors
    /// When they are no group.
    pub fn recovered_with(
        &self,
        members: Vec<Member>,
        entropy: &dyn Entropy,
    ) -> Result<Self, TransitionError> {
        let child = ConfigParts {
            current: members.clone(),
            activators: members.clone(),
            ..self.child(self.epoch().recovery + 1, entropy)
        };
        Ok(Self::new(retiring(child, &self.members, &members))?)
    }

    fn next_group(&self) -> Result<&[Member], TransitionError> {
        let epoch = self.epoch();
        self.parts
            .next
            .as_deref()
            .ok_or(TransitionError::NotJoint { epoch })
    }

    /// A child with the same current group, activated by it.
    fn child(&self, recovery: u64, entropy: &dyn Entropy) -> ConfigParts {
        let parts = &self.parts;
        let mut ancestors = Vec::with_capacity(parts.ancestors.len() + 1);
        ancestors.push(parts.id);
        ancestors.extend(parts.ancestors.iter().take(MAX_ANCESTORS - 1));
        ConfigParts {
            cluster_id: parts.cluster_id,
            id: ConfigId::random(entropy),
            ancestors,
            epoch: Epoch {
                recovery,
                number: parts.epoch.number + 1,
            },
            current: parts.current.clone(),
            next: None,
            activators: parts.current.clone(),
            retired: parts.retired.clone(),
        }
    }
}

/// Retires the members of `group` that are not in `staying`. The oldest ids are forgotten beyond
/// [`MAX_RETIRED`]: their disks hold configs, and a disk that holds one never joins either.
fn retiring(mut parts: ConfigParts, group: &[Member], staying: &[Member]) -> ConfigParts {
    let stays = |id: ReplicaId| staying.iter().any(|member| member.replica_id == id);
    let leaving = group.iter().map(|member| member.replica_id);
    for id in leaving.filter(|&id| !stays(id)) {
        if !parts.retired.contains(&id) {
            parts.retired.push(id);
        }
    }
    let excess = parts.retired.len().saturating_sub(MAX_RETIRED);
    parts.retired.drain(..excess);
    parts
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicU64);

    impl Entropy for Counter {
        fn bits(&self) -> u128 {
            u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1
        }
    }

    fn group(ids: &[u8]) -> Vec<Member> {
        let member = |&n: &u8| Member {
            replica_id: ReplicaId::from_bytes([n; 16]),
            pod: format!("replica-{n}"),
        };
        ids.iter().map(member).collect()
    }

    fn retired(config: &Config) -> Vec<u8> {
        let retired = config.parts().retired.iter();
        retired.map(|id| id.to_bytes()[0]).collect()
    }

    #[test]
    fn a_change_goes_over_a_joint_config_and_retires_who_leaves() {
        let entropy = Counter::default();
        let first = Config::first(group(&[1, 2, 3]), &entropy).unwrap();
        let joint = first.joint(group(&[2, 3, 4, 5]), &entropy).unwrap();
        assert!(joint.is_joint() && joint.is_or_descends_from(first.id()));
        assert_eq!(joint.epoch().number, 2);
        assert_eq!(joint.activators(), group(&[1, 2, 3]));
        let finished = joint.finish(&entropy).unwrap();
        assert_eq!(finished.parts().current, group(&[2, 3, 4, 5]));
        assert_eq!(finished.epoch().number, 3);
        assert_eq!(
            finished.activators(),
            group(&[1, 2, 3]),
            "the parent's current group"
        );
        assert_eq!(finished.parts().ancestors, [joint.id(), first.id()]);
        assert_eq!(retired(&finished), [1]);
    }

    #[test]
    fn an_abort_retires_who_was_to_join() {
        let entropy = Counter::default();
        let first = Config::first(group(&[1, 2, 3]), &entropy).unwrap();
        let joint = first.joint(group(&[2, 3, 4]), &entropy).unwrap();
        let aborted = joint.abort(&entropy).unwrap();
        assert_eq!(aborted.parts().current, group(&[1, 2, 3]));
        assert_eq!(retired(&aborted), [4]);
        let again = aborted.joint(group(&[2, 3, 4]), &entropy);
        let again = again.unwrap_err().to_string();
        assert!(again.ends_with("which is retired"), "{again}");
    }

    #[test]
    fn a_recovery_keeps_the_groups() {
        let entropy = Counter::default();
        let first = Config::first(group(&[1, 2, 3]), &entropy).unwrap();
        let joint = first.joint(group(&[4]), &entropy).unwrap();
        let recovered = joint.recovered(&entropy).unwrap();
        assert_eq!(recovered.parts().next, Some(group(&[4])));
        assert_eq!(
            recovered.epoch(),
            Epoch {
                recovery: 1,
                number: 3
            }
        );
        assert!(recovered.is_or_descends_from(joint.id()));
        let forced = joint.recovered_with(group(&[2, 4]), &entropy).unwrap();
        assert_eq!(forced.parts().current, group(&[2, 4]));
        assert_eq!(forced.activators(), group(&[2, 4]));
        assert_eq!(retired(&forced), [1, 3]);
    }

    #[test]
    fn what_is_no_change_is_refused() {
        let entropy = Counter::default();
        let first = Config::first(group(&[1, 2, 3]), &entropy).unwrap();
        let error = |result: Result<Config, TransitionError>| result.unwrap_err().to_string();
        assert_eq!(
            error(first.joint(group(&[3, 2, 1]), &entropy)),
            "the config of epoch 1 has these members already"
        );
        assert_eq!(
            error(first.finish(&entropy)),
            "no change is under way: the config of epoch 1 is not joint"
        );
        let joint = first.joint(group(&[1]), &entropy).unwrap();
        assert_eq!(
            error(joint.joint(group(&[1, 2]), &entropy)),
            "a change is under way already: the config of epoch 2 is joint"
        );
        assert_eq!(
            error(first.joint(group(&[]), &entropy)),
            "next has 0 members; a group has 1 to 31"
        );
    }

    #[test]
    fn lineage_and_retired_ids_stay_within_their_limits() {
        let entropy = Counter::default();
        let mut config = Config::first(group(&[1, 2, 3]), &entropy).unwrap();
        for n in 0..MAX_RETIRED + 10 {
            let mut next = group(&[1, 2]);
            next.push(Member {
                replica_id: ReplicaId::from_bytes((1000 + n as u128).to_be_bytes()),
                pod: "replica-3".into(),
            });
            let joint = config.joint(next, &entropy).unwrap();
            config = joint.finish(&entropy).unwrap();
        }
        assert_eq!(config.parts().ancestors.len(), MAX_ANCESTORS);
        assert_eq!(config.parts().retired.len(), MAX_RETIRED);
    }
}
