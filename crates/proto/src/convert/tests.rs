//! Round trips of everything valid, errors of everything else, panics of nothing.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;
use quorate_register::{
    Advice, Boot, BootNonce, Buckets, ChecksumMismatch, ClusterId, Config, ConfigId, ConfigParts,
    DIGEST_SUMS, Digest, DigestRequest, DiskBoots, Entry, Epoch, Fence, HeldConfig, Identity, Key,
    Member, OpId, Page, PageRequest, Pair, ReplicaError, ReplicaId, Timestamp, Version, Write,
    Writes, bucket_of, scan_order,
};

use super::refusal::{refusal, replica_error};
use super::{digest, register, replica, scan};
use crate::{Limits, v1};

fn any_id() -> impl Strategy<Value = [u8; 16]> {
    any::<[u8; 16]>()
}

fn any_key() -> impl Strategy<Value = Key> {
    vec(any::<u8>(), 1..40).prop_map(|bytes| Key::new(bytes).unwrap())
}

fn any_value() -> impl Strategy<Value = Option<Bytes>> {
    option::of(vec(any::<u8>(), 0..100).prop_map(Bytes::from))
}

fn any_timestamp() -> impl Strategy<Value = Timestamp> {
    (any::<u64>(), 1_u64.., any_id(), any::<u64>()).prop_map(|(generation, counter, op_id, rmw)| {
        Timestamp {
            generation,
            counter,
            op_id: OpId::from_bytes(op_id),
            rmw,
        }
    })
}

fn any_epoch() -> impl Strategy<Value = Epoch> {
    (any::<u64>(), 1_u64..).prop_map(|(recovery, number)| Epoch { recovery, number })
}

fn any_fence() -> impl Strategy<Value = Fence> {
    (any_id(), any_id(), any_id(), any_epoch()).prop_map(|(cluster, replica, config, epoch)| {
        Fence {
            cluster_id: ClusterId::from_bytes(cluster),
            replica_id: ReplicaId::from_bytes(replica),
            config_id: ConfigId::from_bytes(config),
            epoch,
        }
    })
}

/// Groups overlap and are never the same; retired ids are others.
fn any_config() -> impl Strategy<Value = Arc<Config>> {
    let lists = (vec(any_id(), 0..4), vec(any_id(), 0..4));
    let groups = (1..6_u8, option::of(1..6_u8), option::of(1..6_u8));
    (any_id(), any_id(), any_epoch(), groups, lists).prop_map(
        |(cluster, id, epoch, groups, lists)| {
            let group = |size: u8, from: u8| -> Vec<Member> {
                let member = |number: u8| Member {
                    replica_id: ReplicaId::from_bytes([number; 16]),
                    pod: format!("replica-{number}"),
                };
                (from..from + size).map(member).collect()
            };
            let (current, next, activators) = groups;
            let config = Config::new(ConfigParts {
                cluster_id: ClusterId::from_bytes(cluster),
                id: ConfigId::from_bytes(id),
                ancestors: lists.0.into_iter().map(ConfigId::from_bytes).collect(),
                epoch,
                current: group(current, 0),
                next: next.map(|size| group(size, 2)),
                activators: activators.map(|size| group(size, 1)).unwrap_or_default(),
                retired: lists.1.into_iter().map(ReplicaId::from_bytes).collect(),
            });
            Arc::new(config.unwrap())
        },
    )
}

fn any_replica_error() -> impl Strategy<Value = ReplicaError> {
    prop_oneof![
        ".{0,40}".prop_map(|problem| ReplicaError::WrongReplica { problem }),
        any_config().prop_map(|config| ReplicaError::StaleEpoch { config }),
        Just(ReplicaError::NeedConfig),
        Just(ReplicaError::NotAdmitted),
        any_config().prop_map(|config| ReplicaError::Fork { config }),
        ".{0,40}".prop_map(|problem| ReplicaError::LostDisk { problem }),
        any::<(u64, u64)>().prop_map(|(free_bytes, reserved_bytes)| ReplicaError::DiskFull {
            free_bytes,
            reserved_bytes
        }),
        any_timestamp().prop_map(|timestamp| ReplicaError::Conflict { timestamp }),
        any::<(u32, u32)>().prop_map(|(stated, computed)| {
            ReplicaError::Corrupted(ChecksumMismatch { stated, computed })
        }),
        any::<u32>().prop_map(|limit| ReplicaError::Overloaded {
            limit: limit as usize
        }),
        ".{0,40}".prop_map(|problem| ReplicaError::Invalid { problem }),
    ]
}

fn any_boot() -> impl Strategy<Value = Boot> {
    (1_u64.., any_id()).prop_map(|(number, nonce)| Boot {
        number,
        nonce: BootNonce::from_bytes(nonce),
    })
}

fn any_boots() -> impl Strategy<Value = DiskBoots> {
    let volume = option::of("[a-z0-9-]{1,40}");
    (option::of(any_boot()), option::of(any_boot()), volume).prop_map(
        |(admitted, intent, volume)| DiskBoots {
            admitted,
            intent,
            volume,
        },
    )
}

/// Over the wire and back.
fn sent<M: Message + Default>(message: M) -> M {
    M::decode(Bytes::from(message.encode_to_vec())).unwrap()
}

proptest! {
    #[test]
    fn requests_round_trip(
        fence in any_fence(),
        key in any_key(),
        timestamp in any_timestamp(),
        value in any_value(),
        origin in any_epoch(),
        after in option::of(any_key()),
        max_bytes in 0..1000_usize,
        ends in any::<(u16, u16)>(),
        group in option::of(any::<u8>()),
    ) {
        let request = sent(replica::local_read_request(&fence, &key));
        prop_assert_eq!(replica::local_read(request), Ok((fence, key.clone())));
        let request = sent(replica::local_read_timestamp_request(&fence, &key));
        prop_assert_eq!(replica::local_read_timestamp(request), Ok((fence, key.clone())));

        let pair = Pair::new(&key, timestamp, value);
        let write = Write { key: key.clone(), pair: pair.clone(), origin };
        let request = sent(replica::local_write_request(&fence, &write));
        let (to, arrived) = replica::local_write(request, Limits::default()).unwrap();
        prop_assert_eq!((to, arrived.key, arrived.pair, arrived.origin), (fence, key, pair, origin));

        let page = PageRequest {
            after,
            buckets: Buckets { first: ends.0.min(ends.1), last: ends.0.max(ends.1) },
            max_bytes,
        };
        let request = sent(scan::scan_request(&fence, &page));
        prop_assert_eq!(scan::scan(request, Limits::default()), Ok((fence, page)));
        let asked = group.map_or(DigestRequest::Groups, DigestRequest::Buckets);
        let request = sent(digest::digest_request(&fence, &asked));
        prop_assert_eq!(digest::digest(request), Ok((fence, asked)));
    }

    #[test]
    fn answers_round_trip(
        key in any_key(),
        timestamp in any_timestamp(),
        value in any_value(),
        identity in (any_id(), option::of(any_id()), option::of((any_config(), any::<bool>())), any::<u64>(), any::<bool>()),
        boots in (any::<bool>(), any::<bool>(), any_boots()),
    ) {
        use v1::local_read_response::Answer::Pair as Read;
        use v1::local_read_timestamp_response::Answer::Timestamp as ReadTimestamp;

        for pair in [Pair::UNWRITTEN, Pair::new(&key, timestamp, value.clone())] {
            let answer = v1::LocalReadResponse { answer: Some(Read(pair.clone().into())) };
            let arrived = replica::local_read_answer(sent(answer), &key, Limits::default());
            prop_assert_eq!(arrived, Ok(pair));
        }
        for timestamp in [Timestamp::ZERO, timestamp] {
            let answer = Some(ReadTimestamp(timestamp.into()));
            let answer = sent(v1::LocalReadTimestampResponse { answer });
            prop_assert_eq!(replica::local_read_timestamp_answer(answer), Ok(timestamp));
        }
        let (replica_id, cluster_id, config, keys, disk_full) = identity;
        let (admitted, leaving, boots) = boots;
        let identity = Identity {
            replica_id: ReplicaId::from_bytes(replica_id),
            pod: "replica-0".to_owned(),
            cluster_id: cluster_id.map(ClusterId::from_bytes),
            config: config.map(|(config, active)| HeldConfig { config, active }),
            keys,
            disk_full,
            admitted,
            leaving,
            boots,
        };
        let answer = sent(v1::IdentifyResponse::from(identity.clone()));
        prop_assert_eq!(Identity::try_from(answer), Ok(identity));

        for entry in [
            Entry { value: None, version: Version::NEVER },
            Entry { value, version: Version(timestamp) },
        ] {
            let answer = sent(v1::GetResponse::from(entry.clone()));
            prop_assert_eq!(Entry::try_from(answer), Ok(entry));
        }
        let version = Version(timestamp);
        prop_assert_eq!(register::written(Some(sent(version.into()))), Ok(version));
    }

    #[test]
    fn admissions_round_trip(id: [u8; 16], boot in any_boot(), volume in option::of("[a-z]{1,40}")) {
        let replica_id = ReplicaId::from_bytes(id);
        let request = sent(replica::admit_request(replica_id, boot, volume.as_deref()));
        prop_assert_eq!(replica::admit(request), Ok((replica_id, boot, volume)));
    }

    #[test]
    fn advices_round_trip(id: [u8; 16], advice in select(&ADVICES[..])) {
        let replica_id = ReplicaId::from_bytes(id);
        let request = sent(replica::advise_request(replica_id, advice));
        prop_assert_eq!(replica::advise(request), Ok((replica_id, advice)));
    }

    #[test]
    fn configs_round_trip(config in any_config(), active: bool, id: [u8; 16]) {
        let replica_id = ReplicaId::from_bytes(id);
        let request = sent(replica::retire_request(replica_id, &config));
        prop_assert_eq!(replica::retire(request), Ok((replica_id, config.clone())));
        let request = sent(replica::adopt_request(replica_id, &config, active));
        prop_assert_eq!(replica::adopt(request), Ok((replica_id, config, active)));
    }

    #[test]
    fn refusals_round_trip(error in any_replica_error()) {
        prop_assert_eq!(replica_error(sent(refusal(&error).unwrap())), Ok(error));
    }

    #[test]
    fn pages_round_trip(mut pairs in vec((any_key(), any_timestamp(), any_value()), 0..20)) {
        pairs.sort_by(|a, b| scan_order(&a.0, &b.0));
        pairs.dedup_by(|a, b| a.0 == b.0);
        let pairs = pairs.into_iter().map(|(key, timestamp, value)| {
            let pair = Pair::new(&key, timestamp, value);
            (key, pair)
        });
        let page = Page { pairs: pairs.collect(), last: true };
        let answer = sent(scan::scan_answer(page.clone(), Limits::default()));
        prop_assert_eq!(scan::page(answer, &all(), Limits::default()), Ok(page));
    }

    #[test]
    fn digests_round_trip(sums in option::of(vec(any::<u64>(), DIGEST_SUMS))) {
        let digest = sums.map_or(Digest::Counting, |sums| Digest::Sums(sums.try_into().unwrap()));
        let answer = sent(digest::digest_answer(&digest));
        prop_assert_eq!(digest::digest_answered(answer), Ok(digest));
    }

    #[test]
    fn versions_order_as_their_bytes(a in any_timestamp(), b in any_timestamp()) {
        let bytes = |timestamp| v1::Version::from(Version(timestamp)).opaque;
        prop_assert_eq!(Version(a).cmp(&Version(b)), bytes(a).cmp(&bytes(b)));
    }
}

static ADVICES: [Advice; 4] = [
    Advice::Wanted,
    Advice::Unwanted,
    Advice::Removed,
    Advice::Unknown,
];

#[test]
fn an_advice_that_says_nothing_is_refused() {
    for advice in [0, 5, -1] {
        let mut request = replica::advise_request(ReplicaId::from_bytes([1; 16]), Advice::Wanted);
        request.advice = advice;
        let refused = replica::advise(request).unwrap_err().to_string();
        assert!(refused.contains("advice"), "{refused}");
    }
}

/// Decodes the bytes as a message of every kind; whatever decodes goes through conversion.
fn convert_as_everything(bytes: &Bytes) {
    fn decoded<M: Message + Default>(bytes: &Bytes, convert: impl FnOnce(M)) {
        if let Ok(message) = M::decode(bytes.clone()) {
            convert(message);
        }
    }
    let limits = Limits::new(8).unwrap();
    let key = Key::new("key").unwrap();
    decoded(bytes, |m| drop(replica::local_read(m)));
    decoded(bytes, |m| drop(replica::local_read_answer(m, &key, limits)));
    decoded(bytes, |m| drop(replica::local_read_timestamp(m)));
    decoded(bytes, |m| drop(replica::local_read_timestamp_answer(m)));
    decoded(bytes, |m| drop(replica::local_write(m, limits)));
    decoded(bytes, |m: v1::LocalWriteResponse| {
        drop(replica::acknowledgement(m.refusal))
    });
    decoded(bytes, |m| drop(scan::scan(m, limits)));
    decoded(bytes, |m| drop(scan::page(m, &behind("key"), limits)));
    decoded(bytes, |m| drop(digest::digest(m)));
    decoded(bytes, |m| drop(digest::digest_answered(m)));
    decoded(bytes, |m| drop(replica::adopt(m)));
    decoded(bytes, |m| drop(replica::admit(m)));
    decoded(bytes, |m| drop(replica::retire(m)));
    decoded(bytes, |m| drop(replica::advise(m)));
    decoded(bytes, |m: v1::IdentifyResponse| drop(Identity::try_from(m)));
    decoded(bytes, |m: v1::GetRequest| drop(register::get(&m)));
    decoded(bytes, |m: v1::GetResponse| drop(Entry::try_from(m)));
    decoded(bytes, |m| drop(register::set(m, limits)));
    decoded(bytes, |m: v1::SetResponse| {
        drop(register::written(m.version))
    });
    decoded(bytes, |m: v1::DeleteRequest| drop(register::delete(&m)));
    decoded(bytes, |m| drop(replica_error(m)));
}

/// A valid message of some kind, encoded.
fn any_encoded() -> impl Strategy<Value = Vec<u8>> {
    let pair = (
        any_key(),
        any_timestamp(),
        any_value(),
        any_fence(),
        any_epoch(),
    );
    prop_oneof![
        pair.prop_map(|(key, timestamp, value, fence, origin)| {
            let pair = Pair::new(&key, timestamp, value);
            replica::local_write_request(&fence, &Write { key, pair, origin }).encode_to_vec()
        }),
        any_config().prop_map(|config| replica::adopt_request(
            ReplicaId::from_bytes([1; 16]),
            &config,
            true
        )
        .encode_to_vec()),
        any_replica_error().prop_map(|error| refusal(&error).unwrap().encode_to_vec()),
        (any_fence(), any_key())
            .prop_map(|(fence, key)| replica::local_read_request(&fence, &key).encode_to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        convert_as_everything(&bytes.into());
    }

    /// Bytes near valid ones get further than arbitrary ones.
    #[test]
    fn mutilated_messages_never_panic(
        mut bytes in any_encoded(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        convert_as_everything(&bytes.clone().into());
        bytes.truncate(cut.index(bytes.len() + 1));
        convert_as_everything(&bytes.into());
    }
}

#[test]
fn boots_and_volumes_outside_their_limits_are_named() {
    let boot = Boot {
        number: 1,
        nonce: BootNonce::from_bytes([3; 16]),
    };
    let invalid = |change: &dyn Fn(&mut v1::AdmitRequest)| {
        let mut request = replica::admit_request(ReplicaId::from_bytes([1; 16]), boot, Some("v"));
        change(&mut request);
        replica::admit(request).unwrap_err().to_string()
    };
    assert_eq!(
        invalid(&|it| it.volume = Some("v".repeat(257))),
        "volume: it has 257 bytes; a volume's name has 1 to 256"
    );
    assert_eq!(
        invalid(&|it| it.volume = Some(String::new())),
        "volume: it has 0 bytes; a volume's name has 1 to 256"
    );
    assert_eq!(
        invalid(&|it| it.boot.as_mut().unwrap().number = 0),
        "boot.number: it is 0; the first boot has 1"
    );
    assert!(invalid(&|it| it.boot = None).starts_with("boot: "));
    assert!(invalid(&|it| it.replica_id = Bytes::new()).starts_with("replica_id: "));
}

fn sample_fence() -> Fence {
    Fence {
        cluster_id: ClusterId::from_bytes([1; 16]),
        replica_id: ReplicaId::from_bytes([2; 16]),
        config_id: ConfigId::from_bytes([3; 16]),
        epoch: Epoch {
            recovery: 0,
            number: 1,
        },
    }
}

fn sample_write(value: &'static [u8]) -> v1::LocalWriteRequest {
    let key = Key::new("greeting").unwrap();
    let timestamp = Timestamp::ZERO
        .successor(OpId::from_bytes([7; 16]))
        .unwrap();
    let write = Write {
        pair: Pair::new(&key, timestamp, Some(Bytes::from_static(value))),
        key,
        origin: sample_fence().epoch,
    };
    replica::local_write_request(&sample_fence(), &write)
}

fn invalid(change: impl FnOnce(&mut v1::LocalWriteRequest)) -> String {
    let mut request = sample_write(b"hello");
    change(&mut request);
    match replica::local_write(request, Limits::new(5).unwrap()) {
        Err(ReplicaError::Invalid { problem }) => problem,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_error_names_field_and_limit() {
    assert_eq!(invalid(|m| m.fence = None), "fence: it is missing");
    assert_eq!(
        invalid(|m| m.fence.as_mut().unwrap().replica_id = Bytes::from_static(b"short")),
        "fence.replica_id: it has 5 bytes; an id has 16"
    );
    assert_eq!(
        invalid(|m| m.fence.as_mut().unwrap().epoch = None),
        "fence.epoch: it is missing"
    );
    assert_eq!(
        invalid(|m| m.origin_epoch.as_mut().unwrap().number = 0),
        "origin_epoch.number: it is 0; the first epoch is 1"
    );
    assert_eq!(
        invalid(|m| m.key = Bytes::new()),
        "key: it is empty; a key has 1 to 1024 bytes"
    );
    assert_eq!(
        invalid(|m| m.key = vec![0; 1025].into()),
        "key: it has 1025 bytes; a key has 1 to 1024 bytes"
    );
    assert_eq!(
        invalid(|m| m.pair.as_mut().unwrap().value = Some(Bytes::from_static(b"longer"))),
        "pair.value: it has 6 bytes; the limit is 5"
    );
    assert_eq!(
        invalid(|m| m.pair.as_mut().unwrap().timestamp.as_mut().unwrap().op_id = Bytes::new()),
        "pair.timestamp.op_id: it has 0 bytes; an id has 16"
    );
    for empty in [None, Some(v1::Pair::default())] {
        let problem = invalid(|m| m.pair = empty);
        assert!(problem.starts_with("pair"), "{problem}");
        assert!(problem.contains("missing"), "{problem}");
    }
}

#[test]
fn a_config_outside_its_limits_is_named() {
    let first = any_config_sample();
    let check = |change: &dyn Fn(&mut v1::Config), expected: &str| {
        let mut config = v1::Config::from(first.as_ref());
        change(&mut config);
        let request = v1::AdoptRequest {
            replica_id: vec![1; 16].into(),
            config: Some(config),
            active: false,
        };
        let error = replica::adopt(request).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    let members = |config: &mut v1::Config| config.current.as_mut().unwrap().members.clone();
    check(&|c| c.current = None, "config.current: it is missing");
    check(
        &|c| c.current.as_mut().unwrap().members.clear(),
        "config.current: current has 0 members; a group has 1 to 31",
    );
    check(
        &|c| {
            let twice = members(c);
            c.current.as_mut().unwrap().members.extend(twice);
        },
        "config.current: current lists replica",
    );
    check(
        &|c| c.retired = vec![members(c)[0].replica_id.clone()],
        "config.current: current lists replica",
    );
    check(
        &|c| c.current.as_mut().unwrap().members[0].pod = "a b".to_owned(),
        "config.members.pod: a pod's name has 1 to 253",
    );
    check(
        &|c| c.current.as_mut().unwrap().members[0].replica_id = Bytes::new(),
        "config.current.members.replica_id: it has 0 bytes; an id has 16",
    );
    check(
        &|c| c.next = Some(v1::Group::default()),
        "config.next: next has 0 members",
    );
    check(
        &|c| c.activators = Some(v1::Group::default()),
        "config.activators: it has no members",
    );
    check(
        &|c| c.ancestors = vec![Bytes::from_static(&[1; 16]); 257],
        "config.ancestors: ancestors has 257 entries; the limit is 256",
    );
    check(&|c| c.epoch = None, "config.epoch: it is missing");
}

fn any_config_sample() -> Arc<Config> {
    struct Fixed;
    impl quorate_register::Entropy for Fixed {
        fn bits(&self) -> u128 {
            7
        }
    }
    let member = Member {
        replica_id: ReplicaId::from_bytes([1; 16]),
        pod: "replica-0".to_owned(),
    };
    Arc::new(Config::first(vec![member], &Fixed).unwrap())
}

#[test]
fn a_changed_pair_is_noticed_on_either_way() {
    let mut request = sample_write(b"hello");
    request.pair.as_mut().unwrap().value = Some(Bytes::from_static(b"jello"));
    let pair = request.pair.clone();
    let error = replica::local_write(request, Limits::default()).unwrap_err();
    assert!(matches!(error, ReplicaError::Corrupted(_)), "{error}");

    let answer = v1::LocalReadResponse {
        answer: pair.clone().map(v1::local_read_response::Answer::Pair),
    };
    let key = Key::new("greeting").unwrap();
    let error = replica::local_read_answer(answer, &key, Limits::default()).unwrap_err();
    assert!(matches!(error, ReplicaError::Corrupted(_)), "{error}");

    let scanned = v1::KeyedPair {
        key: key.bytes().clone(),
        pair,
    };
    let answer = v1::ScanResponse {
        pairs: vec![scanned],
        last: true,
        refusal: None,
    };
    let error = scan::page(answer, &all(), Limits::default()).unwrap_err();
    assert!(matches!(error, ReplicaError::Corrupted(_)), "{error}");
}

#[test]
fn the_longest_writes_fit_a_message_whatever_the_largest_value_is() {
    let timestamp = Timestamp {
        generation: u64::MAX,
        counter: u64::MAX,
        op_id: OpId::from_bytes([255; 16]),
        rmw: u64::MAX,
    };
    for length in [0, 1, 100, 10_000] {
        let pair = |number: u32| {
            let key = Key::new(number.to_be_bytes().to_vec()).unwrap();
            let pair = Pair::new(&key, timestamp, Some(vec![1; length].into()));
            (key, pair)
        };
        let parts = Writes::of((0..10_000).map(pair), sample_fence().epoch);
        assert!(parts.len() > 2);
        for part in parts {
            let message = replica::local_write_all_request(&sample_fence(), &part);
            let limits = Limits::new(length.max(1)).unwrap();
            assert!(message.encoded_len() <= limits.max_message_bytes());
            let (fence, arrived) = replica::local_write_all(message, limits).unwrap();
            assert_eq!((fence, arrived.pairs), (sample_fence(), part.pairs));
        }
    }
}

#[test]
fn a_pair_among_many_is_named() {
    let problem = |change: fn(&mut v1::KeyedPair)| {
        let write = sample_write(b"hello");
        let mut keyed = v1::KeyedPair {
            key: write.key,
            pair: write.pair,
        };
        change(&mut keyed);
        let request = v1::LocalWriteAllRequest {
            fence: write.fence,
            pairs: vec![keyed],
            origin_epoch: write.origin_epoch,
        };
        let refused = replica::local_write_all(request, Limits::new(5).unwrap());
        refused.unwrap_err().to_string()
    };
    let empty = problem(|keyed| keyed.key = Bytes::new());
    assert!(empty.contains("pairs.key: it is empty"), "{empty}");
    let long = problem(|keyed| keyed.pair.as_mut().unwrap().value = Some("longer".into()));
    assert!(
        long.contains("pairs.pair.value: it has 6 bytes; the limit is 5"),
        "{long}"
    );
    let missing = problem(|keyed| keyed.pair = None);
    assert!(missing.contains("pairs.pair: it is missing"), "{missing}");
}

#[test]
fn values_are_shared_and_keys_copied() {
    const VALUE: &[u8] = &[9; 1000];
    let request = sample_write(VALUE);
    let sent = request.pair.as_ref().unwrap().value.as_ref().unwrap();
    assert_eq!(sent.as_ptr(), VALUE.as_ptr(), "copied for the request");

    let wire = Bytes::from(request.encode_to_vec());
    let message = v1::LocalWriteRequest::decode(wire.clone()).unwrap();
    let (_, write) = replica::local_write(message, Limits::default()).unwrap();
    let within = |bytes: &Bytes| wire.as_ptr_range().contains(&bytes.as_ptr());
    assert!(
        within(write.pair.value.as_ref().unwrap()),
        "the value was copied"
    );
    assert!(
        !within(write.key.bytes()),
        "the key keeps the request alive"
    );
}

#[test]
fn a_page_is_cut_to_a_message_and_goes_on_behind_it() {
    let limits = Limits::new(1000).unwrap();
    let tombstone = |number: u32| {
        let key = Key::new(number.to_be_bytes().to_vec()).unwrap();
        let timestamp = Timestamp::ZERO
            .successor(OpId::from_bytes([7; 16]))
            .unwrap();
        let pair = Pair::new(&key, timestamp, None);
        (key, pair)
    };
    let mut pairs: Vec<_> = (0..20_000).map(tombstone).collect();
    pairs.sort_by(|a, b| scan_order(&a.0, &b.0));
    let page = Page { pairs, last: true };
    let answer = scan::scan_answer(page.clone(), limits);
    assert!(answer.encoded_len() <= limits.max_message_bytes());
    assert!(answer.encoded_len() > limits.max_message_bytes() - 200);
    assert!(!answer.last);
    let arrived = scan::page(answer, &all(), limits).unwrap();
    assert_eq!(arrived.pairs[..], page.pairs[..arrived.pairs.len()]);

    let largest = Page {
        pairs: vec![{
            let key = Key::new(vec![1; 1024]).unwrap();
            let timestamp = tombstone(0).1.timestamp;
            let pair = Pair::new(&key, timestamp, Some(vec![1; 1000].into()));
            (key, pair)
        }],
        last: true,
    };
    assert_eq!(scan::scan_answer(largest, limits).pairs.len(), 1);
}

#[test]
fn a_page_that_would_not_end_the_scan_is_refused() {
    let page = |keys: &[&str], last: bool, after: Option<&str>| {
        let scanned = |key: &&str| v1::KeyedPair {
            key: Bytes::copy_from_slice(key.as_bytes()),
            pair: None,
        };
        let answer = v1::ScanResponse {
            pairs: keys.iter().map(scanned).collect(),
            last,
            refusal: None,
        };
        let asked = after.map_or_else(all, behind);
        scan::page(answer, &asked, Limits::default())
    };
    // In the order of scans.
    let [a, b, c] = ["b", "c", "a"];
    let bucket = |text: &str| bucket_of(&Key::new(text.to_owned()).unwrap());
    assert!(bucket(a) < bucket(b) && bucket(b) < bucket(c));
    assert!(page(&[a, b], false, None).is_ok());
    assert!(page(&[], true, Some(a)).is_ok());
    assert!(page(&[], false, None).is_err());
    assert!(page(&[b, a], false, None).is_err());
    assert!(page(&[a, a], false, None).is_err());
    assert!(page(&[b], false, Some(b)).is_err());
    assert!(page(&[c], false, Some(b)).is_ok());
}

#[test]
fn a_page_holds_only_buckets_that_were_asked_for() {
    let key = Key::new("key").unwrap();
    let page = |buckets| {
        let scanned = v1::KeyedPair {
            key: key.bytes().clone(),
            pair: None,
        };
        let answer = v1::ScanResponse {
            pairs: vec![scanned],
            last: true,
            refusal: None,
        };
        scan::page(answer, &PageRequest { buckets, ..all() }, Limits::default())
    };
    let bucket = bucket_of(&key);
    assert!(page(Buckets::only(bucket)).is_ok());
    for other in [bucket - 1, bucket + 1] {
        let error = page(Buckets::only(other)).unwrap_err();
        assert!(
            error.to_string().contains("pairs.key: it is in no bucket"),
            "{error}"
        );
    }
}

#[test]
fn buckets_groups_and_sums_have_limits() {
    let fence = sample_fence();
    let scan = |first_bucket, last_bucket| {
        let request = v1::ScanRequest {
            first_bucket,
            last_bucket,
            ..scan::scan_request(&fence, &all())
        };
        scan::scan(request, Limits::default())
            .map(|(_, request)| request.buckets)
            .map_err(|error| error.to_string())
    };
    assert_eq!(scan(None, None), Ok(Buckets::ALL));
    assert_eq!(scan(Some(7), Some(7)), Ok(Buckets::only(7)));
    assert_eq!(
        scan(Some(65_536), None),
        Err("first_bucket: it is above 65535".to_owned())
    );
    assert_eq!(
        scan(None, Some(65_536)),
        Err("last_bucket: it is above 65535".to_owned())
    );
    let before = "last_bucket: it is 7, before first_bucket, which is 8";
    assert_eq!(scan(Some(8), Some(7)), Err(before.to_owned()));
    let request = v1::DigestRequest {
        fence: Some((&fence).into()),
        group: Some(256),
    };
    let error = digest::digest(request).unwrap_err();
    assert_eq!(error.to_string(), "group: it is above 255");
    let answer = v1::DigestResponse {
        sums: vec![1; 255],
        refusal: None,
    };
    let error = digest::digest_answered(answer).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("sums: there are 255; a digest has 256"),
        "{error}"
    );
}

/// Every pair.
fn all() -> PageRequest {
    PageRequest {
        after: None,
        buckets: Buckets::ALL,
        max_bytes: usize::MAX,
    }
}

/// Every pair behind a key.
fn behind(key: &str) -> PageRequest {
    let after = Some(Key::new(key.to_owned()).unwrap());
    PageRequest { after, ..all() }
}

#[test]
fn what_is_no_answer_is_no_refusal() {
    for error in [
        ReplicaError::Unreachable {
            problem: "gone".to_owned(),
        },
        ReplicaError::TimedOut {
            waited: Duration::from_secs(1),
        },
    ] {
        assert_eq!(refusal(&error), Err(error.to_string()));
    }
    let unknown = v1::Refusal {
        code: 99,
        ..v1::Refusal::default()
    };
    assert_eq!(
        replica_error(unknown).unwrap_err().to_string(),
        "code: 99 is not a code this version knows"
    );
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let error = ReplicaError::LostDisk {
        problem: "ä".repeat(2000),
    };
    let message = refusal(&error).unwrap().message;
    assert_eq!(message, "ä".repeat(512));
}

#[test]
fn a_wanted_page_is_never_larger_than_a_message() {
    let request = PageRequest {
        after: None,
        buckets: Buckets::ALL,
        max_bytes: usize::MAX,
    };
    let limits = Limits::default();
    let message = scan::scan_request(&sample_fence(), &request);
    let (_, request) = scan::scan(message, limits).unwrap();
    assert_eq!(request.max_bytes, limits.max_message_bytes());
}

#[test]
fn clients_name_no_key_of_the_store_and_replicas_take_it() {
    let reserved = Key::reserved("canary/1");
    let key = reserved.bytes().clone();
    let get = super::register::get(&v1::GetRequest { key: key.clone() });
    let delete = super::register::delete(&v1::DeleteRequest { key: key.clone() });
    let value = Bytes::new();
    let set = super::register::set(
        v1::SetRequest {
            key: key.clone(),
            value,
        },
        Limits::default(),
    );
    for refused in [get.map(drop), delete.map(drop), set.map(drop)] {
        assert_eq!(refused.unwrap_err().field, "key");
    }
    assert_eq!(super::key(&key), Ok(reserved));
}
