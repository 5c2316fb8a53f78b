//! Which replicas a register consists of, agreed and never observed.

mod transition;

use std::fmt;

pub use transition::TransitionError;

use crate::quorum::majority;
use crate::{ClusterId, ConfigId, Entropy, MAX_GROUP_MEMBERS, MemberSet, Quorums, ReplicaId};

/// The longest lineage a config carries; older ancestors are cut off. A replica that is
/// left further behind counts as one with a lost disk.
pub const MAX_ANCESTORS: usize = 256;

/// The most ids in [`ConfigParts::retired`].
pub const MAX_RETIRED: usize = 4096;

/// The longest name of a pod, in bytes: that of a DNS subdomain (RFC 1123).
pub const MAX_POD_BYTES: usize = 253;

/// The place of a config in the order of configs: by recovery, then by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// How often the config was re-created by a recovery command.
    pub recovery: u64,
    /// One more with every change; the first config has 1.
    pub number: u64,
}

/// `number`, with `recovery.` before it once there was a recovery.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.recovery > 0 {
            write!(f, "{}.", self.recovery)?;
        }
        write!(f, "{}", self.number)
    }
}

/// A replica that a config counts, and where it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its disk.
    pub replica_id: ReplicaId,
    /// The stable name of its pod, by which discovery finds the address of today.
    pub pod: String,
}

/// The fields of a config, before they are known to fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigParts {
    /// The store this is a config of.
    pub cluster_id: ClusterId,
    /// Random; two configs never share it.
    pub id: ConfigId,
    /// The configs this one descends from, nearest first, at most [`MAX_ANCESTORS`].
    pub ancestors: Vec<ConfigId>,
    /// The place in the order of configs.
    pub epoch: Epoch,
    /// The group that decides alone, unless the config is joint.
    pub current: Vec<Member>,
    /// While the config is joint: the group that is to come.
    pub next: Option<Vec<Member>>,
    /// The parent's `current` group, whose majority activates this config; empty for a first
    /// config, which all its own members activate.
    pub activators: Vec<Member>,
    /// Ids that were in some config, even an aborted one, and never join again.
    pub retired: Vec<ReplicaId>,
}

/// What makes parts no config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// A group has no or too many members.
    #[error("{group} has {members} members; a group has 1 to {MAX_GROUP_MEMBERS}")]
    GroupSize {
        /// Which list.
        group: &'static str,
        /// Its length.
        members: usize,
    },
    /// One replica twice in one group: it would be counted twice.
    #[error("{group} lists replica {replica_id} twice")]
    Twice {
        /// Which list.
        group: &'static str,
        /// Who.
        replica_id: ReplicaId,
    },
    /// A member may not have joined.
    #[error("{group} lists replica {replica_id}, which is retired")]
    Retired {
        /// Which list.
        group: &'static str,
        /// Who.
        replica_id: ReplicaId,
    },
    /// A pod's name that discovery could not look up.
    #[error("a pod's name has 1 to {MAX_POD_BYTES} letters, digits, '-' and '.', not {0:?}")]
    PodName(String),
    /// A list is longer than its limit.
    #[error("{list} has {length} entries; the limit is {limit}")]
    TooLong {
        /// Which list.
        list: &'static str,
        /// Its length.
        length: usize,
        /// Its limit.
        limit: usize,
    },
    /// Epochs begin with 1.
    #[error("the epoch is 0; the first config has epoch 1")]
    EpochZero,
}

/// An agreed list of members: valid, immutable, and ready to be counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    parts: ConfigParts,
    members: Vec<Member>,
    quorums: Quorums,
}

impl Config {
    /// The first config of a new store, with `members` as its current group.
    ///
    /// # Errors
    /// When the members are not a group.
    pub fn first(members: Vec<Member>, entropy: &dyn Entropy) -> Result<Self, InvalidConfig> {
        Self::new(ConfigParts {
            cluster_id: ClusterId::random(entropy),
            id: ConfigId::random(entropy),
            ancestors: Vec::new(),
            epoch: Epoch {
                recovery: 0,
                number: 1,
            },
            current: members,
            next: None,
            activators: Vec::new(),
            retired: Vec::new(),
        })
    }

    /// These parts as a config.
    ///
    /// # Errors
    /// When they do not fit together; the error names the field and its limit.
    pub fn new(parts: ConfigParts) -> Result<Self, InvalidConfig> {
        if parts.epoch.number == 0 {
            return Err(InvalidConfig::EpochZero);
        }
        check_length("ancestors", parts.ancestors.len(), MAX_ANCESTORS)?;
        check_length("retired", parts.retired.len(), MAX_RETIRED)?;
        check_group("current", &parts.current)?;
        if let Some(next) = &parts.next {
            check_group("next", next)?;
        }
        if !parts.activators.is_empty() {
            check_group("activators", &parts.activators)?;
        }
        for (group, member) in labelled(&parts) {
            if parts.retired.contains(&member.replica_id) {
                return Err(InvalidConfig::Retired {
                    group,
                    replica_id: member.replica_id,
                });
            }
        }
        let mut members = parts.current.clone();
        for member in parts.next.iter().flatten() {
            if !members.iter().any(|m| m.replica_id == member.replica_id) {
                members.push(member.clone());
            }
        }
        let index = |member: &Member| {
            let same = |m: &Member| m.replica_id == member.replica_id;
            members
                .iter()
                .position(same)
                .expect("a member of the union")
        };
        let set = |group: &[Member]| group.iter().map(index).collect::<MemberSet>();
        let quorums = Quorums::new(set(&parts.current), parts.next.as_deref().map(set));
        Ok(Self {
            parts,
            members,
            quorums,
        })
    }

    /// Everything the config says, for formats that carry it.
    pub fn parts(&self) -> &ConfigParts {
        &self.parts
    }

    /// The store this is a config of.
    pub fn cluster_id(&self) -> ClusterId {
        self.parts.cluster_id
    }

    /// The id of this config.
    pub fn id(&self) -> ConfigId {
        self.parts.id
    }

    /// Its place in the order of configs.
    pub fn epoch(&self) -> Epoch {
        self.parts.epoch
    }

    /// Whether there are two groups.
    pub fn is_joint(&self) -> bool {
        self.parts.next.is_some()
    }

    /// The members of both groups, each once; a [`MemberSet`] indexes this list.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The groups to count by.
    pub fn quorums(&self) -> &Quorums {
        &self.quorums
    }

    /// Whether a group lists the replica.
    pub fn lists(&self, replica_id: ReplicaId) -> bool {
        self.members.iter().any(|m| m.replica_id == replica_id)
    }

    /// Whether `ancestor` is this config or one it is known to descend from.
    pub fn is_or_descends_from(&self, ancestor: ConfigId) -> bool {
        self.parts.id == ancestor || self.parts.ancestors.contains(&ancestor)
    }

    /// The replicas that make this config active by holding it or a descendant of it.
    pub fn activators(&self) -> &[Member] {
        if self.parts.activators.is_empty() {
            &self.parts.current
        } else {
            &self.parts.activators
        }
    }

    /// Whether the config is active, when `holders` hold it or a descendant of it: a
    /// majority of its parent's current group, or all members of a first config.
    pub fn is_activated_by(&self, holders: impl Fn(ReplicaId) -> bool) -> bool {
        let activators = self.activators();
        let needed = if self.parts.activators.is_empty() {
            activators.len()
        } else {
            majority(activators.len())
        };
        let held = activators.iter().filter(|m| holders(m.replica_id)).count();
        held >= needed
    }
}

fn check_length(list: &'static str, length: usize, limit: usize) -> Result<(), InvalidConfig> {
    if length > limit {
        return Err(InvalidConfig::TooLong {
            list,
            length,
            limit,
        });
    }
    Ok(())
}

fn check_group(group: &'static str, members: &[Member]) -> Result<(), InvalidConfig> {
    if !(1..=MAX_GROUP_MEMBERS).contains(&members.len()) {
        return Err(InvalidConfig::GroupSize {
            group,
            members: members.len(),
        });
    }
    for (index, member) in members.iter().enumerate() {
        let name = member.pod.as_bytes();
        let known = |b: &u8| b.is_ascii_alphanumeric() || b"-.".contains(b);
        if !(1..=MAX_POD_BYTES).contains(&name.len()) || !name.iter().all(known) {
            return Err(InvalidConfig::PodName(member.pod.clone()));
        }
        if members[..index]
            .iter()
            .any(|m| m.replica_id == member.replica_id)
        {
            return Err(InvalidConfig::Twice {
                group,
                replica_id: member.replica_id,
            });
        }
    }
    Ok(())
}

/// The members of both groups with the name of their group.
fn labelled(parts: &ConfigParts) -> impl Iterator<Item = (&'static str, &Member)> {
    let current = parts.current.iter().map(|m| ("current", m));
    current.chain(parts.next.iter().flatten().map(|m| ("next", m)))
}

#[cfg(test)]
mod tests;
