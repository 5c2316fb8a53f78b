//! When a replica may be wiped: a pure decision.

use std::sync::Arc;

use crate::fence::wrong_cluster;
use crate::{Config, HeldConfig, ReplicaError, ReplicaId};

/// Whether the replica `own`, which holds `held`, may be wiped, since the config `offered`
/// does not count it. The sender has proven `offered` active, and read it by a quorum read of
/// the config store (PROTOCOL 4, step 4).
///
/// Active configs form one path and an id never joins twice. So what an active config at
/// least as new as the held one does not list, no later active config will.
///
/// # Errors
/// - [`ReplicaError::WrongReplica`]: the config is of another store, or, for a disk that never
///   held a config, it does not say that this id is retired: the disk is free to join.
/// - [`ReplicaError::StaleEpoch`]: the replica holds a newer config.
/// - [`ReplicaError::Fork`]: it holds another one of the same epoch.
/// - [`ReplicaError::Invalid`]: a group of the config lists the replica.
pub fn judge_retirement(
    own: ReplicaId,
    held: Option<&HeldConfig>,
    offered: &Config,
) -> Result<(), ReplicaError> {
    if let Some(held) = held {
        check_held(&held.config, offered)?;
    } else if !offered.parts().retired.contains(&own) {
        return Err(ReplicaError::WrongReplica {
            problem: format!("replica {own} never held a config, and this one does not retire it"),
        });
    }
    if offered.lists(own) {
        return Err(ReplicaError::Invalid {
            problem: format!(
                "the config of epoch {} lists replica {own}: only a replica that no group lists is retired",
                offered.epoch()
            ),
        });
    }
    Ok(())
}

fn check_held(held: &Arc<Config>, offered: &Config) -> Result<(), ReplicaError> {
    if offered.cluster_id() != held.cluster_id() {
        return Err(wrong_cluster(offered.cluster_id(), held.cluster_id()));
    }
    if offered.epoch() < held.epoch() {
        return Err(ReplicaError::StaleEpoch {
            config: held.clone(),
        });
    }
    if offered.epoch() == held.epoch() && offered.id() != held.id() {
        return Err(ReplicaError::Fork {
            config: held.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClusterId, ConfigId, ConfigParts, Epoch, Member};

    const OWN: ReplicaId = ReplicaId::from_bytes([1; 16]);
    const OTHER: ReplicaId = ReplicaId::from_bytes([2; 16]);

    fn config(number: u64, change: impl FnOnce(&mut ConfigParts)) -> Config {
        let mut parts = ConfigParts {
            cluster_id: ClusterId::from_bytes([9; 16]),
            id: ConfigId::from_bytes([number as u8; 16]),
            ancestors: Vec::new(),
            epoch: Epoch {
                recovery: 0,
                number,
            },
            current: group(OTHER),
            next: None,
            activators: Vec::new(),
            retired: Vec::new(),
        };
        change(&mut parts);
        Config::new(parts).unwrap()
    }

    fn group(replica_id: ReplicaId) -> Vec<Member> {
        let pod = "replica-0".into();
        vec![Member { replica_id, pod }]
    }

    fn held(config: Config) -> HeldConfig {
        HeldConfig {
            config: Arc::new(config),
            active: false,
        }
    }

    fn verdict(held: Option<&HeldConfig>, offered: &Config) -> &'static str {
        judge_retirement(OWN, held, offered)
            .err()
            .map_or("retire", |error| error.code())
    }

    #[test]
    fn a_replica_that_held_a_config() {
        let joined = held(config(5, |parts| parts.current = group(OWN)));
        let judge = |offered: &Config| verdict(Some(&joined), offered);
        assert_eq!(judge(&config(6, |_| ())), "retire");
        assert_eq!(
            judge(&config(9, |parts| parts.retired = vec![OWN])),
            "retire"
        );
        assert_eq!(judge(&config(4, |_| ())), "stale_epoch");
        assert_eq!(judge(&config(5, |_| ())), "retire", "the held one itself");
        let fork = config(5, |parts| parts.id = ConfigId::from_bytes([77; 16]));
        assert_eq!(judge(&fork), "fork");
        let listed = config(6, |parts| parts.current = group(OWN));
        assert_eq!(judge(&listed), "invalid");
        let joining = config(6, |parts| parts.next = Some(group(OWN)));
        assert_eq!(judge(&joining), "invalid");
        let foreign = config(6, |parts| parts.cluster_id = ClusterId::from_bytes([8; 16]));
        assert_eq!(judge(&foreign), "wrong_replica");
    }

    #[test]
    fn a_disk_that_never_held_a_config() {
        assert_eq!(verdict(None, &config(5, |_| ())), "wrong_replica");
        let retired = config(5, |parts| parts.retired = vec![OWN]);
        assert_eq!(verdict(None, &retired), "retire");
        let others = config(5, |parts| {
            parts.retired = vec![ReplicaId::from_bytes([3; 16])]
        });
        assert_eq!(verdict(None, &others), "wrong_replica");
        let listed = config(5, |parts| parts.next = Some(group(OWN)));
        assert_eq!(verdict(None, &listed), "wrong_replica");
    }
}
