//! What repair knows of the members.

use quorate_register::{Config, ConfigId, Epoch, ReplicaId};
use tokio::time::Instant;

/// What the last rounds of repair found, for people, metrics and whoever waits for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairStatus {
    /// The config whose members were compared; `None` before the first round.
    pub config: Option<(Epoch, ConfigId)>,
    /// How many rounds ended.
    pub rounds: u64,
    /// In the order of [`Config::members`].
    pub members: Vec<MemberRepair>,
}

/// What repair knows of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRepair {
    /// Its disk.
    pub replica_id: ReplicaId,
    /// The pod's name.
    pub pod: String,
    /// In how many buckets it lacked something when it was last looked at, less those that were
    /// repaired since; `None` while nobody could look. Old news once `problem` is set.
    pub lag_buckets: Option<u64>,
    /// How many keys were copied to it, by this coordinator, under this config.
    pub keys_copied: u64,
    /// Since when the last round ran after which it had all that was found anywhere.
    pub in_step: Option<Instant>,
    /// Why the last round could not compare or repair it.
    pub problem: Option<String>,
}

impl RepairStatus {
    /// Nothing known of these members.
    pub(super) fn of(config: &Config) -> Self {
        let member = |member: &quorate_register::Member| MemberRepair {
            replica_id: member.replica_id,
            pod: member.pod.clone(),
            lag_buckets: None,
            keys_copied: 0,
            in_step: None,
            problem: None,
        };
        Self {
            config: Some((config.epoch(), config.id())),
            rounds: 0,
            members: config.members().iter().map(member).collect(),
        }
    }
}

/// Whether every member of `config` was in step in a round that began after `since`.
///
/// This tells when to go on, and is no proof: a write that was in flight may still be at fewer
/// members. What a quorum must have, operations and the transfer of a change see to.
pub fn caught_up(status: &RepairStatus, config: ConfigId, since: Instant) -> bool {
    let same = status.config.is_some_and(|(_, id)| id == config);
    let in_step = |member: &MemberRepair| member.in_step.is_some_and(|at| at > since);
    same && !status.members.is_empty() && status.members.iter().all(in_step)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn caught_up_means_all_members_of_that_config_and_recently() {
        let id = ConfigId::from_bytes([7; 16]);
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let status = |times: &[Option<Instant>]| RepairStatus {
            config: Some((Epoch::default(), id)),
            rounds: 3,
            members: times
                .iter()
                .map(|&in_step| MemberRepair {
                    replica_id: ReplicaId::from_bytes([1; 16]),
                    pod: "replica-0".into(),
                    lag_buckets: Some(0),
                    keys_copied: 0,
                    in_step,
                    problem: None,
                })
                .collect(),
        };
        for (times, since, expected) in [
            (&[Some(later), Some(later)][..], now, true),
            (&[Some(now), Some(later)], now, false),
            (&[Some(later), None], now, false),
            (&[], now, false),
        ] {
            assert_eq!(caught_up(&status(times), id, since), expected, "{times:?}");
        }
        let other = ConfigId::from_bytes([8; 16]);
        assert!(!caught_up(&status(&[Some(later)]), other, now));
        assert!(!caught_up(&RepairStatus::default(), id, now));
    }
}
