use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn any_id() -> impl Strategy<Value = [u8; 16]> {
    any::<[u8; 16]>()
}

/// A group whose members' ids begin with its number, so that groups and `retired` never clash.
fn any_group(
    number: u8,
    size: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Vec<Member>> {
    vec("[a-z0-9.-]{1,253}", size).prop_map(move |pods| {
        let member = |(index, pod): (usize, String)| Member {
            replica_id: ReplicaId::from_bytes([
                number,
                index as u8,
                7,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ]),
            pod,
        };
        pods.into_iter().enumerate().map(member).collect()
    })
}

fn any_config() -> impl Strategy<Value = HeldConfig> {
    let ids = (any_id(), any_id(), vec(any_id(), 0..=MAX_ANCESTORS));
    let epoch = (any::<u64>(), 1..=u64::MAX);
    let groups = (
        any_group(1, 1..=MAX_GROUP_MEMBERS),
        proptest::option::of(any_group(2, 1..=MAX_GROUP_MEMBERS)),
        any_group(3, 0..=MAX_GROUP_MEMBERS),
    );
    let retired = vec(any_id(), 0..=50);
    (ids, epoch, groups, retired, any::<bool>()).prop_map(
        |((cluster_id, id, ancestors), (recovery, number), groups, retired, active)| {
            let (current, next, activators) = groups;
            let config = Config::new(ConfigParts {
                cluster_id: ClusterId::from_bytes(cluster_id),
                id: ConfigId::from_bytes(id),
                ancestors: ancestors.into_iter().map(ConfigId::from_bytes).collect(),
                epoch: Epoch { recovery, number },
                current,
                next,
                activators,
                retired: retired.into_iter().map(ReplicaId::from_bytes).collect(),
            });
            let config = Arc::new(config.expect("the strategy makes valid configs"));
            HeldConfig { config, active }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn configs_round_trip(held in any_config()) {
        let bytes = encode(&held);
        prop_assert!(bytes.len() <= MAX_BYTES);
        prop_assert_eq!(decode(&bytes).unwrap(), held);
    }

    #[test]
    fn shortened_and_lengthened_bytes_are_refused(held in any_config(), cut in 1..200usize) {
        let mut bytes = encode(&held);
        let kept = bytes.len().saturating_sub(cut);
        prop_assert!(decode(&bytes[..kept]).is_err());
        bytes.push(0);
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = decode(&bytes);
    }
}

#[test]
fn the_longest_config_fits() {
    let group = |number: u8| {
        let member = |index: usize| Member {
            replica_id: ReplicaId::from_bytes([
                number,
                index as u8,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ]),
            pod: "p".repeat(MAX_POD_BYTES),
        };
        (0..MAX_GROUP_MEMBERS).map(member).collect::<Vec<_>>()
    };
    let config = Config::new(ConfigParts {
        cluster_id: ClusterId::from_bytes([1; 16]),
        id: ConfigId::from_bytes([2; 16]),
        ancestors: vec![ConfigId::from_bytes([3; 16]); MAX_ANCESTORS],
        epoch: Epoch {
            recovery: u64::MAX,
            number: u64::MAX,
        },
        current: group(1),
        next: Some(group(2)),
        activators: group(3),
        retired: vec![ReplicaId::from_bytes([9; 16]); MAX_RETIRED],
    });
    let held = HeldConfig {
        config: Arc::new(config.unwrap()),
        active: true,
    };
    let bytes = encode(&held);
    assert_eq!(bytes.len(), MAX_BYTES);
    assert_eq!(decode(&bytes).unwrap(), held);
}
