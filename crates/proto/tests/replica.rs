//! Every method of `Replica` through server and client, over loopback.

mod common;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{MemoryReplica, PATIENCE, Server, config, key, successor, timestamp};
use quorate_proto::transport::{ChannelOptions, channel};
use quorate_proto::v1::replica_client::ReplicaClient;
use quorate_proto::{Limits, RemoteReplica, v1};
use quorate_register::{
    Advice, Boot, BootNonce, Buckets, ChecksumMismatch, Config, ConfigId, DigestRequest, Fence,
    Key, PageRequest, Pair, Replica, ReplicaError, Timestamp, Write, Writes, bucket_of, pair_hash,
    scan_order,
};
use tokio::net::TcpListener;
use tonic::Code;

async fn serve(replica: &Arc<MemoryReplica>) -> (Server, RemoteReplica) {
    let server = Server::replica(replica.clone()).await;
    let remote = RemoteReplica::new(server.channel(), Limits::default());
    (server, remote)
}

fn write(key: &Key, counter: u64, value: Option<&'static str>, fence: &Fence) -> Write {
    Write {
        key: key.clone(),
        pair: Pair::new(key, timestamp(counter), value.map(Bytes::from)),
        origin: fence.epoch,
    }
}

#[tokio::test]
async fn every_method_is_carried() {
    let replica = MemoryReplica::new();
    let (_server, remote) = serve(&replica).await;

    let identity = remote.identify(PATIENCE).await.unwrap();
    assert_eq!(
        (identity.replica_id, identity.cluster_id),
        (replica.id, None)
    );
    let config = config(replica.id);
    let fence = Fence::new(&config, replica.id);
    let error = remote
        .local_read(&fence, &key("a"), PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error, ReplicaError::NeedConfig);

    remote
        .adopt(replica.id, &config, true, PATIENCE)
        .await
        .unwrap();
    let identity = remote.identify(PATIENCE).await.unwrap();
    let held = identity.config.unwrap();
    assert_eq!((held.config, held.active), (config, true));

    let boot = Boot {
        number: 3,
        nonce: BootNonce::from_bytes([4; 16]),
    };
    let admit = remote.admit(replica.id, boot, Some("claim"), PATIENCE);
    admit.await.unwrap();
    let boots = remote.identify(PATIENCE).await.unwrap().boots;
    assert_eq!(boots.admitted, Some(boot));
    assert_eq!(boots.volume.as_deref(), Some("claim"));
    assert!(!remote.identify(PATIENCE).await.unwrap().leaving);
    for advice in [
        Advice::Wanted,
        Advice::Unwanted,
        Advice::Removed,
        Advice::Unknown,
    ] {
        let advised = remote.advise(replica.id, advice, PATIENCE);
        advised.await.unwrap();
        assert_eq!(replica.advices.lock().unwrap().last(), Some(&advice));
    }
    assert!(remote.identify(PATIENCE).await.unwrap().leaving);
    let held = identity_config(&remote).await;
    let refused = remote.retire(replica.id, &held, PATIENCE);
    assert!(matches!(refused.await, Err(ReplicaError::Invalid { .. })));

    let a = key("a");
    assert_eq!(
        remote.local_read(&fence, &a, PATIENCE).await,
        Ok(Pair::UNWRITTEN)
    );
    let read = remote.local_read_timestamp(&fence, &a, PATIENCE).await;
    assert_eq!(read, Ok(Timestamp::ZERO));
    for (counter, value) in [(2, Some("new")), (1, Some("late")), (3, None)] {
        let write = write(&a, counter, value, &fence);
        remote.local_write(&fence, &write, PATIENCE).await.unwrap();
        let expected = if counter == 1 { 2 } else { counter };
        let read = remote.local_read_timestamp(&fence, &a, PATIENCE).await;
        assert_eq!(read, Ok(timestamp(expected)));
    }
    let read = remote.local_read(&fence, &a, PATIENCE).await;
    assert_eq!(read, Ok(Pair::new(&a, timestamp(3), None)));

    let together = [("a", 2), ("b", 1), ("c", 1)].map(|(name, counter)| {
        let key = key(name);
        let pair = Pair::new(&key, timestamp(counter), Some("together".into()));
        (key, pair)
    });
    let writes = Writes {
        pairs: together.to_vec(),
        origin: fence.epoch,
    };
    let written = remote.local_write_all(&fence, &writes, PATIENCE);
    written.await.unwrap();
    let stored = replica.pairs.lock().unwrap().clone();
    assert_eq!(stored[&a].timestamp, timestamp(3));
    assert_eq!(stored[&key("b")], together[1].1);
    assert_eq!(stored.len(), 3);
    let mut flipped = writes;
    flipped.pairs[2].1.value = Some("flipped".into());
    let refused = remote.local_write_all(&fence, &flipped, PATIENCE).await;
    assert!(
        matches!(refused, Err(ReplicaError::Corrupted(_))),
        "{refused:?}"
    );
}

async fn identity_config(remote: &RemoteReplica) -> Arc<Config> {
    let identity = remote.identify(PATIENCE).await.unwrap();
    identity.config.unwrap().config
}

#[tokio::test]
async fn a_scan_sees_every_pair_once() {
    let (replica, fence) = MemoryReplica::adopted();
    let (_server, remote) = serve(&replica).await;
    for number in 0..50 {
        let write = write(&key(&format!("key {number:02}")), 1, Some("value"), &fence);
        remote.local_write(&fence, &write, PATIENCE).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut after = None;
    for page_number in 0.. {
        assert!(page_number < 50, "a scan ends");
        let request = PageRequest {
            after,
            buckets: Buckets::ALL,
            max_bytes: 30,
        };
        let page = remote.scan(&fence, &request, PATIENCE).await.unwrap();
        seen.extend(page.pairs.iter().map(|(key, _)| key.clone()));
        after = seen.last().cloned();
        if page.last {
            break;
        }
    }
    let mut stored: Vec<_> = replica.pairs.lock().unwrap().keys().cloned().collect();
    stored.sort_by(scan_order);
    assert_eq!(seen, stored);
    let (first, last) = (bucket_of(&stored[10]), bucket_of(&stored[20]));
    let some = PageRequest {
        after: None,
        buckets: Buckets { first, last },
        max_bytes: usize::MAX,
    };
    let page = remote.scan(&fence, &some, PATIENCE).await.unwrap();
    let keys: Vec<_> = page.pairs.into_iter().map(|(key, _)| key).collect();
    assert_eq!((keys, page.last), (stored[10..=20].to_vec(), true));
}

#[tokio::test]
async fn digests_arrive_as_they_are() {
    let (replica, fence) = MemoryReplica::adopted();
    let (_server, remote) = serve(&replica).await;
    let write = write(&key("a"), 1, Some("value"), &fence);
    remote.local_write(&fence, &write, PATIENCE).await.unwrap();
    let bucket = bucket_of(&write.key);
    let (group, within) = ((bucket >> 8) as u8, usize::from(bucket & 255));
    for (request, place) in [
        (DigestRequest::Groups, usize::from(group)),
        (DigestRequest::Buckets(group), within),
    ] {
        let digest = remote.digest(&fence, &request, PATIENCE).await.unwrap();
        let sums = digest.sums().unwrap();
        assert_eq!(sums[place], pair_hash(&write.key, write.pair.timestamp));
        assert_eq!(sums.iter().filter(|sum| **sum != 0).count(), 1);
    }
    let refusal = ReplicaError::NeedConfig;
    *replica.refuse.lock().unwrap() = Some(refusal.clone());
    let refused = remote
        .digest(&fence, &DigestRequest::Groups, PATIENCE)
        .await;
    assert_eq!(refused, Err(refusal));
}

#[tokio::test]
async fn a_value_of_the_largest_size_passes() {
    let (replica, fence) = MemoryReplica::adopted();
    let (_server, remote) = serve(&replica).await;
    let key = Key::new(vec![7; 1024]).unwrap();
    let value = Bytes::from(vec![9; Limits::DEFAULT_MAX_VALUE_BYTES]);
    let write = Write {
        pair: Pair::new(&key, timestamp(1), Some(value)),
        key: key.clone(),
        origin: fence.epoch,
    };
    remote.local_write(&fence, &write, PATIENCE).await.unwrap();
    assert_eq!(
        remote.local_read(&fence, &key, PATIENCE).await,
        Ok(write.pair.clone())
    );
    let all = PageRequest {
        after: None,
        buckets: Buckets::ALL,
        max_bytes: usize::MAX,
    };
    let page = remote.scan(&fence, &all, PATIENCE).await.unwrap();
    assert_eq!(page.pairs, [(key.clone(), write.pair.clone())]);

    let value = Bytes::from(vec![9; Limits::DEFAULT_MAX_VALUE_BYTES + 1]);
    let pair = Pair::new(&key, timestamp(2), Some(value));
    let error = remote
        .local_write(&fence, &Write { pair, ..write }, PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid request: pair.value: it has 1048577 bytes; the limit is 1048576"
    );
}

#[tokio::test]
async fn the_fence_is_carried_and_refusals_come_back_typed() {
    let (replica, fence) = MemoryReplica::adopted();
    let (_server, remote) = serve(&replica).await;
    let first = replica.held.lock().unwrap().clone().unwrap().config;
    let read = async |fence: &Fence| remote.local_read(fence, &key("a"), PATIENCE).await;

    let mut other = fence;
    other.replica_id = quorate_register::ReplicaId::from_bytes([5; 16]);
    let error = read(&other).await.unwrap_err();
    assert!(
        matches!(&error, ReplicaError::WrongReplica { problem } if problem.contains("this is replica")),
        "{error}"
    );

    let mut fork = fence;
    fork.config_id = ConfigId::from_bytes([5; 16]);
    assert_eq!(
        read(&fork).await,
        Err(ReplicaError::Fork {
            config: first.clone()
        })
    );

    let second = successor(&first);
    let newer = Fence::new(&second, replica.id);
    assert_eq!(read(&newer).await, Err(ReplicaError::NeedConfig));
    remote
        .adopt(replica.id, &second, true, PATIENCE)
        .await
        .unwrap();
    assert_eq!(read(&newer).await, Ok(Pair::UNWRITTEN));
    assert_eq!(
        read(&fence).await,
        Err(ReplicaError::StaleEpoch {
            config: second.clone()
        })
    );
    let error = remote.adopt(replica.id, &first, true, PATIENCE).await;
    assert_eq!(
        error,
        Err(ReplicaError::StaleEpoch {
            config: second.clone()
        })
    );

    for refusal in [
        ReplicaError::LostDisk {
            problem: "gone".into(),
        },
        ReplicaError::DiskFull {
            free_bytes: 3,
            reserved_bytes: 9,
        },
        ReplicaError::Conflict {
            timestamp: timestamp(4),
        },
        ReplicaError::Corrupted(ChecksumMismatch {
            stated: 1,
            computed: 2,
        }),
        ReplicaError::Overloaded { limit: 17 },
        ReplicaError::Invalid {
            problem: "no".into(),
        },
    ] {
        let refuse = || *replica.refuse.lock().unwrap() = Some(refusal.clone());
        refuse();
        assert_eq!(read(&newer).await, Err(refusal.clone()));
        refuse();
        let error = remote
            .local_read_timestamp(&newer, &key("a"), PATIENCE)
            .await;
        assert_eq!(error, Err(refusal.clone()));
        refuse();
        let write = write(&key("a"), 1, None, &newer);
        let error = remote.local_write(&newer, &write, PATIENCE).await;
        assert_eq!(error, Err(refusal.clone()));
        refuse();
        let all = PageRequest {
            after: None,
            buckets: Buckets::ALL,
            max_bytes: 1,
        };
        let error = remote.scan(&newer, &all, PATIENCE).await;
        assert_eq!(error, Err(refusal.clone()));
    }
}

#[tokio::test]
async fn the_timeout_is_carried() {
    let (replica, fence) = MemoryReplica::adopted();
    let (_server, remote) = serve(&replica).await;
    let asked = Duration::from_millis(54_321);
    remote.local_read(&fence, &key("a"), asked).await.unwrap();
    assert_eq!(*replica.calls.timeout.lock().unwrap(), Some(asked));
    remote.identify(Duration::MAX).await.unwrap();
    let longest = quorate_proto::deadline::MAX_TIMEOUT;
    assert_eq!(*replica.calls.timeout.lock().unwrap(), Some(longest));
}

#[tokio::test]
async fn a_request_without_a_timeout_has_ten_seconds() {
    let (replica, _) = MemoryReplica::adopted();
    let (server, _) = serve(&replica).await;
    let mut client = ReplicaClient::new(server.channel());
    client.identify(v1::IdentifyRequest {}).await.unwrap();
    let timeout = *replica.calls.timeout.lock().unwrap();
    assert_eq!(timeout, Some(Duration::from_secs(10)));

    let mut request = tonic::Request::new(v1::IdentifyRequest {});
    request
        .metadata_mut()
        .insert("grpc-timeout", "soon".parse().unwrap());
    let status = client.identify(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains("grpc-timeout"), "{status:?}");
}

#[tokio::test]
async fn a_call_ends_by_its_timeout_and_leaves_nothing() {
    let (replica, fence) = MemoryReplica::adopted();
    let (_server, remote) = serve(&replica).await;
    let timeout = Duration::from_millis(50);
    let error = remote.local_read(&fence, &key("hang"), timeout).await;
    assert_eq!(error, Err(ReplicaError::TimedOut { waited: timeout }));
    assert_eq!(replica.calls.count(), 1);
    replica.calls.running(0).await;
}

#[tokio::test]
async fn a_dropped_call_is_dropped_at_the_replica() {
    let (replica, fence) = MemoryReplica::adopted();
    let (_server, remote) = serve(&replica).await;
    let hang = key("hang");
    let call = tokio::spawn(async move { remote.local_read(&fence, &hang, PATIENCE).await });
    replica.calls.running(1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    replica.calls.running(0).await;
}

/// A quorum call drops its slower attempts, over the years many on one connection. h2 takes
/// that for an attack, on either side, unless it is told otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_dropped_calls_do_not_end_the_connection() {
    let (replica, fence) = MemoryReplica::adopted();
    let (server, remote) = serve(&replica).await;
    remote
        .local_read(&fence, &key("a"), PATIENCE)
        .await
        .unwrap();
    let connections = server.connections.clone();
    assert_eq!(connections.open(), 1);
    for round in 0..60 {
        let keys = [key("hang"), key("a")];
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let (remote, key) = (remote.clone(), keys[number % 2].clone());
                tokio::spawn(async move { remote.local_read(&fence, &key, PATIENCE).await })
            })
            .collect();
        if round % 2 == 0 {
            // Some reach the replica, whose answers cross the resets.
            replica
                .calls
                .wait(|| replica.calls.count() > round * 10)
                .await;
        } else {
            tokio::task::yield_now().await;
        }
        for call in &calls {
            call.abort();
        }
        for call in calls {
            if let Ok(result) = call.await {
                assert_eq!(result, Ok(Pair::UNWRITTEN), "round {round}");
            }
        }
    }
    assert_eq!(
        remote.local_read(&fence, &key("a"), PATIENCE).await,
        Ok(Pair::UNWRITTEN)
    );
    assert_eq!(server.connections.open(), 1);
    assert_eq!(connections.accepted(), 1, "the connection was replaced");
    replica.calls.running(0).await;
}

/// Answers may cross the resets of dropped calls. h2 remembers few of these, counts answers to
/// others as errors of its peer, and ends the connection after some, unless told otherwise.
#[tokio::test]
async fn answers_to_dropped_calls_do_not_end_the_connection() {
    let (replica, fence) = MemoryReplica::adopted();
    let server = Server::replica(replica.clone()).await;
    let proxy = common::proxy(server.address, |_| {}).await;
    let through = channel(&proxy.address.to_string(), &ChannelOptions::default()).unwrap();
    let remote = RemoteReplica::new(through, Limits::default());
    for _ in 0..4 {
        let calls: Vec<_> = (0..600)
            .map(|_| {
                let (remote, gate) = (remote.clone(), key("gate"));
                tokio::spawn(async move { remote.local_read(&fence, &gate, PATIENCE).await })
            })
            .collect();
        replica.calls.running(600).await;
        proxy.held.send_replace(true);
        for call in &calls {
            call.abort();
        }
        for call in calls {
            assert!(call.await.unwrap_err().is_cancelled());
        }
        // Lets the connection's task send its resets, which the proxy holds.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        replica.gate.notify_waiters();
        replica.calls.running(0).await;
        proxy.held.send_replace(false);
        // Its answer comes behind all the others.
        let read = remote.local_read(&fence, &key("a"), PATIENCE).await;
        assert_eq!(read, Ok(Pair::UNWRITTEN));
    }
    assert_eq!(
        server.connections.accepted(),
        1,
        "the connection was replaced"
    );
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_says_why() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let (replica, fence) = MemoryReplica::adopted();
    let remote = RemoteReplica::new(
        channel(&address, &ChannelOptions::default()).unwrap(),
        Limits::default(),
    );
    let error = remote
        .local_read(&fence, &key("a"), PATIENCE)
        .await
        .unwrap_err();
    assert!(matches!(error, ReplicaError::Unreachable { .. }));
    assert!(error.to_string().contains("refused"), "{error}");
    drop(replica);
}

#[tokio::test]
async fn a_peer_that_is_no_replica_is_unreachable() {
    let register = Arc::new(common::MemoryRegister::default());
    let server = Server::register(register).await;
    let remote = RemoteReplica::new(server.channel(), Limits::default());
    let error = remote.identify(PATIENCE).await.unwrap_err();
    assert!(matches!(error, ReplicaError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_pair_with_a_wrong_checksum_is_never_returned() {
    let (replica, fence) = MemoryReplica::adopted();
    let (_server, remote) = serve(&replica).await;
    let a = key("a");
    let mut pair = Pair::new(&a, timestamp(1), Some("hello".into()));
    pair.checksum ^= 1;
    replica.pairs.lock().unwrap().insert(a.clone(), pair);
    let error = remote.local_read(&fence, &a, PATIENCE).await.unwrap_err();
    assert!(matches!(error, ReplicaError::Corrupted(_)), "{error}");
    let all = PageRequest {
        after: None,
        buckets: Buckets::ALL,
        max_bytes: 100,
    };
    let error = remote.scan(&fence, &all, PATIENCE).await.unwrap_err();
    assert!(matches!(error, ReplicaError::Corrupted(_)), "{error}");
}
