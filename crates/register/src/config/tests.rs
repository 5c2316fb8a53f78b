use super::*;

fn id(n: u8) -> ReplicaId {
    ReplicaId::from_bytes([n; 16])
}

fn group(ids: impl IntoIterator<Item = u8>) -> Vec<Member> {
    let member = |n| Member {
        replica_id: id(n),
        pod: format!("replica-{n}"),
    };
    ids.into_iter().map(member).collect()
}

fn parts(current: Vec<Member>, next: Option<Vec<Member>>) -> ConfigParts {
    ConfigParts {
        cluster_id: ClusterId::from_bytes([1; 16]),
        id: ConfigId::from_bytes([2; 16]),
        ancestors: vec![ConfigId::from_bytes([3; 16])],
        epoch: Epoch {
            recovery: 0,
            number: 2,
        },
        activators: current.clone(),
        current,
        next,
        retired: vec![id(99)],
    }
}

#[test]
fn members_are_the_union_without_repeats() {
    let config = Config::new(parts(group([0, 1, 2]), Some(group([2, 3])))).unwrap();
    let ids: Vec<_> = config.members().iter().map(|m| m.replica_id).collect();
    assert_eq!(ids, [id(0), id(1), id(2), id(3)]);
    assert!(config.is_joint());
    // Indices 2 and 3 are the next group.
    assert!(config.quorums().reached([0, 2, 3].into_iter().collect()));
    assert!(!config.quorums().reached([0, 1, 2].into_iter().collect()));
}

#[test]
fn parts_that_do_not_fit_are_named() {
    let error = |parts| Config::new(parts).unwrap_err().to_string();
    let good = || parts(group([0, 1, 2]), None);
    assert_eq!(
        error(parts(group([]), None)),
        "current has 0 members; a group has 1 to 31"
    );
    assert_eq!(
        error(parts(group([0]), Some(group(0..32)))),
        "next has 32 members; a group has 1 to 31"
    );
    assert!(error(parts(group([4, 4]), None)).starts_with("current lists replica 0404"));
    assert!(error(parts(group([0]), Some(group([99])))).ends_with("which is retired"));
    assert!(
        error(ConfigParts {
            epoch: Epoch::default(),
            ..good()
        })
        .starts_with("the epoch is 0")
    );
    assert_eq!(
        error(ConfigParts {
            ancestors: vec![ConfigId::from_bytes([0; 16]); 257],
            ..good()
        }),
        "ancestors has 257 entries; the limit is 256"
    );
    let mut bad_pod = good();
    bad_pod.current[0].pod = "a b".into();
    assert!(error(bad_pod).ends_with("not \"a b\""));
}

#[test]
fn a_majority_of_the_parents_group_activates() {
    for n in 1..=7u8 {
        let config = Config::new(parts(group(0..n), Some(group(10..13)))).unwrap();
        for held in 0..=n {
            let active = config.is_activated_by(|replica| (0..held).any(|i| id(i) == replica));
            assert_eq!(active, held > n / 2, "{held} of {n}");
        }
        // The next group does not count, however many of it hold the config.
        assert!(!config.is_activated_by(|replica| (10..13).any(|i| id(i) == replica)));
    }
}

#[test]
fn all_members_activate_a_first_config() {
    struct Counter(std::sync::atomic::AtomicU64);
    impl Entropy for Counter {
        fn bits(&self) -> u128 {
            u128::from(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        }
    }
    for n in 1..=7u8 {
        let config = Config::first(group(0..n), &Counter(Default::default())).unwrap();
        assert_eq!(config.epoch().to_string(), "1");
        for held in 0..=n {
            let active = config.is_activated_by(|replica| (0..held).any(|i| id(i) == replica));
            assert_eq!(active, held == n, "{held} of {n}");
        }
    }
}

#[test]
fn lineage_is_by_id() {
    let config = Config::new(parts(group([0]), None)).unwrap();
    assert!(config.is_or_descends_from(config.id()));
    assert!(config.is_or_descends_from(ConfigId::from_bytes([3; 16])));
    assert!(!config.is_or_descends_from(ConfigId::from_bytes([4; 16])));
}

#[test]
fn a_recovery_outranks_every_number() {
    let epoch = |recovery, number| Epoch { recovery, number };
    assert!(epoch(1, 1) > epoch(0, 9));
    assert_eq!(epoch(1, 7).to_string(), "1.7");
}
