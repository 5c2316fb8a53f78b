use std::sync::Arc;

use super::*;
use crate::{ConfigParts, Member};

const OWN: ReplicaId = ReplicaId::from_bytes([1; 16]);

fn config(recovery: u64, number: u64, id: u8, ancestors: &[u8]) -> Arc<Config> {
    let parts = ConfigParts {
        cluster_id: ClusterId::from_bytes([9; 16]),
        id: ConfigId::from_bytes([id; 16]),
        ancestors: ancestors
            .iter()
            .map(|&a| ConfigId::from_bytes([a; 16]))
            .collect(),
        epoch: Epoch { recovery, number },
        current: vec![Member {
            replica_id: OWN,
            pod: "replica-0".into(),
        }],
        next: None,
        activators: Vec::new(),
        retired: Vec::new(),
    };
    Arc::new(Config::new(parts).unwrap())
}

fn other_cluster(config: &Config) -> Arc<Config> {
    let parts = ConfigParts {
        cluster_id: ClusterId::from_bytes([8; 16]),
        ..config.parts().clone()
    };
    Arc::new(Config::new(parts).unwrap())
}

fn without_own(config: &Config) -> Config {
    let mut parts = config.parts().clone();
    parts.current[0].replica_id = ReplicaId::from_bytes([2; 16]);
    Config::new(parts).unwrap()
}

/// A short name of each verdict, to lay the table out.
fn verdict<T: std::fmt::Debug>(result: Result<T, ReplicaError>) -> String {
    match result {
        Ok(passed) => format!("{passed:?}"),
        Err(ReplicaError::WrongReplica { .. }) => "wrong replica".into(),
        Err(ReplicaError::StaleEpoch { config }) => format!("stale: {}", config.epoch()),
        Err(ReplicaError::Fork { .. }) => "fork".into(),
        Err(ReplicaError::NeedConfig) => "need config".into(),
        Err(ReplicaError::LostDisk { .. }) => "lost disk".into(),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn requests_pass_under_the_held_config_only() {
    let held = config(0, 5, 5, &[4]);
    let sent = |config: &Config| verdict(Fence::new(config, OWN).check(OWN, Some(&held)));
    assert_eq!(sent(&held), "()");
    assert_eq!(sent(&config(0, 4, 4, &[])), "stale: 5");
    assert_eq!(sent(&config(0, 6, 6, &[5])), "need config");
    assert_eq!(sent(&config(1, 1, 7, &[])), "need config");
    assert_eq!(sent(&config(0, 5, 6, &[4])), "fork");
    assert_eq!(sent(&other_cluster(&held)), "wrong replica");
    let meant_for_other = Fence::new(&held, ReplicaId::from_bytes([2; 16]));
    assert_eq!(
        verdict(meant_for_other.check(OWN, Some(&held))),
        "wrong replica"
    );
    assert_eq!(
        verdict(Fence::new(&held, OWN).check(OWN, None)),
        "need config"
    );
}

#[test]
fn descendants_and_recoveries_are_adopted() {
    let held = config(0, 5, 5, &[4, 3]);
    let held = HeldConfig {
        config: held,
        active: false,
    };
    let offer = |offered: &Config| verdict(judge_adoption(OWN, Some(&held), offered, false));
    assert_eq!(offer(&held.config), "Held");
    assert_eq!(offer(&config(0, 6, 6, &[5, 4])), "Adopt");
    assert_eq!(offer(&config(0, 9, 9, &[8, 7, 6, 5])), "Adopt");
    assert_eq!(offer(&config(1, 1, 7, &[])), "Adopt");
    assert_eq!(offer(&config(0, 4, 4, &[3])), "stale: 5");
    assert_eq!(offer(&config(0, 5, 6, &[4])), "fork");
    assert_eq!(offer(&config(0, 6, 6, &[4])), "fork");
    assert_eq!(offer(&config(0, 900, 6, &[1; MAX_ANCESTORS])), "lost disk");
    assert_eq!(
        offer(&other_cluster(&config(0, 6, 6, &[5]))),
        "wrong replica"
    );
    // A config that no longer lists the replica is adopted: it learns that it may go.
    assert_eq!(offer(&without_own(&config(0, 6, 6, &[5]))), "Adopt");
}

#[test]
fn what_was_never_active_gives_way_to_what_is() {
    let offer = |held_active, offered: &Config, active| {
        let held = HeldConfig {
            config: config(0, 5, 5, &[4, 3]),
            active: held_active,
        };
        verdict(judge_adoption(OWN, Some(&held), offered, active))
    };
    let sibling = config(0, 5, 6, &[4]);
    let nephew = config(0, 7, 7, &[6, 4]);
    for other in [&sibling, &nephew] {
        assert_eq!(offer(false, other, true), "Adopt");
        assert_eq!(offer(false, other, false), "fork");
        assert_eq!(
            offer(true, other, true),
            "fork",
            "two active paths: an alarm"
        );
    }
    assert_eq!(offer(false, &config(0, 4, 8, &[3]), true), "stale: 5");
    assert_eq!(
        offer(false, &config(0, 5, 1, &[]), true),
        "fork",
        "another first config"
    );
}

#[test]
fn an_empty_disk_adopts_only_a_config_that_lists_it() {
    let offered = config(0, 1, 1, &[]);
    assert_eq!(verdict(judge_adoption(OWN, None, &offered, false)), "Adopt");
    let offered = without_own(&offered);
    assert_eq!(
        verdict(judge_adoption(OWN, None, &offered, false)),
        "wrong replica"
    );
}

#[test]
fn that_a_held_config_is_active_is_recorded_once() {
    let config = config(0, 1, 1, &[]);
    let offer = |active, said| {
        let held = HeldConfig {
            config: config.clone(),
            active,
        };
        verdict(judge_adoption(OWN, Some(&held), &config, said))
    };
    assert_eq!(offer(false, true), "MarkActive");
    assert_eq!(offer(true, true), "Held");
    assert_eq!(offer(true, false), "Held");
}
