//! The rules of a replica (docs/protocol.md, "Replica"), over a store in memory with a paused
//! clock: what waits for a sync can be seen to wait.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use prometheus::Registry;
use quorate_register::{
    Buckets, ClusterId, Config, ConfigId, ConfigParts, Epoch, Fence, Key, Member, OpId, Page,
    PageRequest, Pair, Replica, ReplicaError, ReplicaId, Timestamp, Write, Writes,
};
use quorate_replica::memory::{MemoryDisk, MemoryStore};
use quorate_replica::{
    CommitLimits, Ended, LocalReplica, ReplicaMetrics, ReplicaOptions, StoreError,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

const OWN: ReplicaId = ReplicaId::from_bytes([1; 16]);
const SYNC: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_secs(1);

struct Rig {
    replica: LocalReplica<MemoryStore>,
    disk: Arc<MemoryDisk>,
    metrics: ReplicaMetrics,
    committer: JoinHandle<Result<Ended, StoreError>>,
}

fn config(number: u64, id: u8, ancestors: &[u8]) -> Arc<Config> {
    let parts = ConfigParts {
        cluster_id: ClusterId::from_bytes([9; 16]),
        id: ConfigId::from_bytes([id; 16]),
        ancestors: ancestors
            .iter()
            .map(|&a| ConfigId::from_bytes([a; 16]))
            .collect(),
        epoch: Epoch {
            recovery: 0,
            number,
        },
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

fn start(disk: Arc<MemoryDisk>, change: impl FnOnce(&mut ReplicaOptions)) -> Rig {
    let mut options = ReplicaOptions::new(OWN, "replica-0");
    change(&mut options);
    let metrics = ReplicaMetrics::new(&Registry::new(), "replica-0").unwrap();
    let store = MemoryStore::open(disk.clone());
    let (replica, committer) = LocalReplica::new(store, options, metrics.clone());
    Rig {
        replica,
        disk,
        metrics,
        committer: tokio::spawn(committer.run()),
    }
}

/// A replica that serves under epoch 1 and whose syncs take [`SYNC`].
async fn serving() -> Rig {
    let rig = start(Arc::default(), |_| ());
    let first = config(1, 1, &[]);
    rig.replica.adopt(OWN, &first, true, LIMIT).await.unwrap();
    rig.disk.set_sync_duration(SYNC);
    rig
}

fn fence() -> Fence {
    Fence::new(&config(1, 1, &[]), OWN)
}

fn key() -> Key {
    Key::new("greeting").unwrap()
}

fn timestamp(counter: u64) -> Timestamp {
    Timestamp {
        counter,
        op_id: OpId::from_bytes([counter as u8; 16]),
        ..Timestamp::ZERO
    }
}

fn write(counter: u64, value: &'static str) -> Write {
    Write {
        key: key(),
        pair: Pair::new(
            &key(),
            timestamp(counter),
            Some(Bytes::from_static(value.as_bytes())),
        ),
        origin: config(1, 1, &[]).epoch(),
    }
}

impl Rig {
    /// Sends a write without waiting; what it answers, and how long it took.
    fn send(&self, write: Write) -> JoinHandle<(Result<(), ReplicaError>, Duration)> {
        let replica = self.replica.clone();
        tokio::spawn(async move {
            let started = Instant::now();
            let answer = replica.local_write(&fence(), &write, LIMIT).await;
            (answer, started.elapsed())
        })
    }

    async fn scan(&self) -> Page {
        let all = PageRequest {
            after: None,
            buckets: Buckets::ALL,
            max_bytes: usize::MAX,
        };
        self.replica.scan(&fence(), &all, LIMIT).await.unwrap()
    }

    async fn read(&self) -> Result<Pair, ReplicaError> {
        self.replica.local_read(&fence(), &key(), LIMIT).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_acknowledged_and_visible_only_once_it_is_synced() {
    let rig = serving().await;
    let sent = rig.send(write(1, "one"));
    sleep(SYNC / 2).await;
    assert!(!sent.is_finished());
    assert_eq!(rig.read().await.unwrap(), Pair::UNWRITTEN);
    let read = rig
        .replica
        .local_read_timestamp(&fence(), &key(), LIMIT)
        .await;
    assert_eq!(read.unwrap(), Timestamp::ZERO);
    let (answer, took) = sent.await.unwrap();
    assert_eq!((answer, took), (Ok(()), SYNC));
    assert_eq!(rig.read().await.unwrap(), write(1, "one").pair);
}

#[tokio::test(start_paused = true)]
async fn a_late_write_is_acknowledged_and_not_stored() {
    let rig = serving().await;
    rig.send(write(2, "two")).await.unwrap().0.unwrap();
    let (answer, took) = rig.send(write(1, "one")).await.unwrap();
    // What beats it is durable already, so there is nothing to wait for.
    assert_eq!((answer, took), (Ok(()), Duration::ZERO));
    assert_eq!(rig.read().await.unwrap().value, Some("two".into()));
}

#[tokio::test(start_paused = true)]
async fn a_beaten_write_waits_until_its_winner_is_synced() {
    let rig = serving().await;
    // Occupy the committer, so that the next two form one batch.
    let first = rig.send(write(1, "one"));
    sleep(SYNC / 2).await;
    let winner = rig.send(write(3, "three"));
    let beaten = rig.send(write(2, "two"));
    first.await.unwrap().0.unwrap();
    sleep(SYNC / 2).await;
    assert!(!beaten.is_finished() && !winner.is_finished());
    beaten.await.unwrap().0.unwrap();
    assert!(winner.now_or_never().is_some());
    assert_eq!(rig.read().await.unwrap().value, Some("three".into()));
}

#[tokio::test(start_paused = true)]
async fn one_sync_serves_a_whole_batch() {
    let rig = serving().await;
    let started = Instant::now();
    let sent: Vec<_> = (1..=100)
        .map(|counter| rig.send(write(counter, "x")))
        .collect();
    for sent in sent {
        sent.await.unwrap().0.unwrap();
    }
    assert!(started.elapsed() <= 2 * SYNC, "{:?}", started.elapsed());
}

fn writes(pairs: &[(&'static str, u64, &'static str)]) -> Writes {
    let pair = |&(key, counter, value): &(&'static str, u64, &'static str)| {
        let key = Key::new(key).unwrap();
        let pair = Pair::new(&key, timestamp(counter), Some(value.into()));
        (key, pair)
    };
    Writes {
        pairs: pairs.iter().map(pair).collect(),
        origin: config(1, 1, &[]).epoch(),
    }
}

#[tokio::test(start_paused = true)]
async fn writes_that_come_together_are_stored_as_each_would_be() {
    let rig = serving().await;
    rig.send(write(5, "five")).await.unwrap().0.unwrap();
    let late = writes(&[("greeting", 4, "late")]);
    let started = Instant::now();
    let answer = rig.replica.local_write_all(&fence(), &late, LIMIT).await;
    assert_eq!((answer, started.elapsed()), (Ok(()), Duration::ZERO));

    let together = [
        ("a", 2, "a2"),
        ("greeting", 4, "late"),
        ("a", 1, "a1"),
        ("b", 1, "b1"),
    ];
    let (replica, together) = (rig.replica.clone(), writes(&together));
    let sent = tokio::spawn(async move {
        let answer = replica.local_write_all(&fence(), &together, LIMIT).await;
        (answer, Instant::now())
    });
    sleep(SYNC / 2).await;
    assert!(rig.scan().await.pairs.len() == 1, "not before it is synced");
    let (answer, ended) = sent.await.unwrap();
    assert_eq!((answer, ended - started), (Ok(()), SYNC));
    let mut stored: Vec<_> = rig.scan().await.pairs;
    stored.sort_by(|one, other| one.0.cmp(&other.0));
    let values: Vec<_> = stored
        .iter()
        .map(|(_, pair)| pair.value.clone().unwrap())
        .collect();
    assert_eq!(values, ["a2", "b1", "five"]);

    // In one batch with another write of the same key.
    let occupied = rig.send(write(6, "six"));
    sleep(SYNC / 2).await;
    let (newer, older) = (
        rig.send(write(8, "eight")),
        writes(&[("greeting", 7, "seven")]),
    );
    let answer = rig.replica.local_write_all(&fence(), &older, LIMIT).await;
    answer.unwrap();
    assert!(occupied.is_finished() && newer.is_finished());
    assert_eq!(rig.read().await.unwrap().value, Some("eight".into()));
}

#[tokio::test(start_paused = true)]
async fn writes_that_come_together_are_refused_together() {
    let rig = serving().await;
    rig.send(write(1, "one")).await.unwrap().0.unwrap();
    let answer = |writes: Writes, fence: Fence| {
        let replica = rig.replica.clone();
        async move { replica.local_write_all(&fence, &writes, LIMIT).await }
    };
    let fine = || writes(&[("a", 1, "a1")]);
    let newer = Fence::new(&config(2, 2, &[1]), OWN);
    assert_eq!(answer(fine(), newer).await, Err(ReplicaError::NeedConfig));
    let conflict = answer(writes(&[("greeting", 1, "other"), ("a", 1, "a1")]), fence()).await;
    assert!(
        matches!(conflict, Err(ReplicaError::Conflict { .. })),
        "{conflict:?}"
    );
    let mut flipped = fine();
    flipped.pairs[0].1.value = Some("x".into());
    let corrupted = answer(flipped, fence()).await;
    assert!(
        matches!(corrupted, Err(ReplicaError::Corrupted(_))),
        "{corrupted:?}"
    );
    let mut zero = fine();
    zero.pairs[0].1 = Pair::new(&zero.pairs[0].0, Timestamp::ZERO, None);
    let invalid = answer(zero, fence()).await;
    assert!(
        matches!(invalid, Err(ReplicaError::Invalid { .. })),
        "{invalid:?}"
    );
    assert_eq!(rig.scan().await.pairs.len(), 1);
    assert_eq!(answer(fine(), fence()).await, Ok(()));
    assert_eq!(rig.scan().await.pairs.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_timestamp_with_two_values_is_refused_and_alarms() {
    let rig = serving().await;
    rig.send(write(1, "one")).await.unwrap().0.unwrap();
    // The same write again is a retry.
    rig.send(write(1, "one")).await.unwrap().0.unwrap();
    assert_eq!(rig.metrics.violations(), 0);
    let (answer, _) = rig.send(write(1, "other")).await.unwrap();
    assert_eq!(
        answer,
        Err(ReplicaError::Conflict {
            timestamp: timestamp(1)
        })
    );
    assert_eq!(rig.metrics.violations(), 1);
    assert_eq!(rig.metrics.violations_of("timestamp_conflict"), 1);
    assert_eq!(rig.read().await.unwrap().value, Some("one".into()));
}

#[tokio::test(start_paused = true)]
async fn an_adoption_is_a_barrier_and_seals_the_old_epoch() {
    let rig = serving().await;
    let before = rig.send(write(1, "one"));
    sleep(Duration::from_millis(1)).await;
    let adopter = rig.replica.clone();
    let newer = config(2, 2, &[1]);
    let adoption = {
        let newer = newer.clone();
        tokio::spawn(async move { adopter.adopt(OWN, &newer, true, LIMIT).await })
    };
    sleep(Duration::from_millis(1)).await;
    // Queued behind the adoption, under the old epoch.
    let behind = rig.send(write(2, "two"));
    before.await.unwrap().0.unwrap();
    // Until the adoption is durable, reads go on under the old epoch.
    assert_eq!(rig.read().await.unwrap().value, Some("one".into()));
    adoption.await.unwrap().unwrap();
    let stale = ReplicaError::StaleEpoch {
        config: newer.clone(),
    };
    assert_eq!(behind.await.unwrap().0, Err(stale.clone()));
    assert_eq!(rig.read().await, Err(stale.clone()));
    let page = PageRequest {
        after: None,
        buckets: Buckets::ALL,
        max_bytes: 1,
    };
    assert_eq!(rig.replica.scan(&fence(), &page, LIMIT).await, Err(stale));
    let fence = Fence::new(&newer, OWN);
    let read = rig.replica.local_read(&fence, &key(), LIMIT).await;
    assert_eq!(read.unwrap().value, Some("one".into()));
}

#[tokio::test(start_paused = true)]
async fn what_was_not_synced_is_gone_after_a_crash_and_what_was_is_there() {
    let rig = serving().await;
    rig.send(write(1, "one")).await.unwrap().0.unwrap();
    let lost = rig.send(write(2, "two"));
    sleep(SYNC / 2).await;
    rig.committer.abort();
    assert!(matches!(
        lost.await.unwrap().0,
        Err(ReplicaError::Unreachable { .. })
    ));
    let again = start(rig.disk, |_| ());
    assert_eq!(again.read().await.unwrap().value, Some("one".into()));
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_ends_the_committer_and_acknowledges_nothing() {
    let rig = serving().await;
    rig.disk.fail_next_sync(StoreError::Failed {
        problem: "fsync: input/output error".into(),
    });
    let (answer, _) = rig.send(write(1, "one")).await.unwrap();
    assert!(matches!(answer, Err(ReplicaError::Unreachable { .. })));
    assert!(matches!(
        rig.committer.await.unwrap(),
        Err(StoreError::Failed { .. })
    ));
    assert!(rig.disk.pairs().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_nearly_full_disk_refuses_writes_and_serves_reads_and_adoptions() {
    let rig = serving().await;
    rig.send(write(2, "two")).await.unwrap().0.unwrap();
    rig.disk.set_free_bytes(1 << 20);
    let (answer, _) = rig.send(write(3, "three")).await.unwrap();
    let error = answer.unwrap_err();
    assert!(error.is_final(true) && !error.is_final(false));
    assert_eq!(
        error.to_string(),
        "disk full: 1048576 bytes free, 67108864 are kept in reserve"
    );
    // A late write needs no space.
    rig.send(write(1, "one")).await.unwrap().0.unwrap();
    assert_eq!(rig.read().await.unwrap().value, Some("two".into()));
    assert!(rig.replica.identify(LIMIT).await.unwrap().disk_full);
    rig.replica
        .adopt(OWN, &config(2, 2, &[1]), false, LIMIT)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn corruption_condemns_the_whole_disk() {
    let rig = serving().await;
    rig.send(write(1, "one")).await.unwrap().0.unwrap();
    rig.disk
        .corrupt(&key(), |pair| pair.value = Some("eno".into()));
    let lost = |error: &ReplicaError| matches!(error, ReplicaError::LostDisk { .. });
    assert!(lost(&rig.read().await.unwrap_err()));
    let other = Key::new("other").unwrap();
    let read = rig.replica.local_read(&fence(), &other, LIMIT).await;
    assert!(lost(&read.unwrap_err()));
    let (answer, _) = rig.send(write(2, "two")).await.unwrap();
    assert!(lost(&answer.unwrap_err()));
    assert!(lost(&rig.replica.identify(LIMIT).await.unwrap_err()));
    assert_eq!(rig.metrics.violations_of("corruption"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_goes_back_condemns_the_disk_and_alarms() {
    let rig = serving().await;
    rig.send(write(2, "two")).await.unwrap().0.unwrap();
    assert_eq!(rig.read().await.unwrap().value, Some("two".into()));
    // A whole pair with a true checksum, as an old copy of a file has it.
    rig.disk
        .corrupt(&key(), |pair| *pair = write(1, "one").pair);
    let refused = rig.read().await.unwrap_err();
    assert!(
        matches!(refused, ReplicaError::LostDisk { .. }),
        "{refused}"
    );
    assert_eq!(rig.metrics.violations_of("timestamp_went_back"), 1);
    assert_eq!(rig.metrics.violations(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_config_of_one_epoch_alarms_in_requests_and_adoptions() {
    let rig = serving().await;
    let sibling = config(1, 7, &[]);
    let fence = Fence::new(&sibling, OWN);
    let read = rig.replica.local_read(&fence, &key(), LIMIT).await;
    assert!(matches!(read, Err(ReplicaError::Fork { .. })), "{read:?}");
    assert_eq!(rig.metrics.violations_of("fork"), 1);
    let adopted = rig.replica.adopt(OWN, &sibling, false, LIMIT).await;
    assert!(matches!(adopted, Err(ReplicaError::Fork { .. })));
    assert_eq!(rig.metrics.violations_of("fork"), 2);
    assert_eq!(rig.metrics.violations(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once_by_number_and_by_bytes() {
    let rig = start(Arc::default(), |options| {
        options.limits = CommitLimits {
            queued_entries: 2,
            queued_bytes: 64,
            ..CommitLimits::default()
        };
    });
    let first = config(1, 1, &[]);
    rig.replica.adopt(OWN, &first, true, LIMIT).await.unwrap();
    rig.disk.set_sync_duration(SYNC);
    let mut sent = vec![rig.send(write(1, "one"))];
    sleep(SYNC / 2).await;
    sent.extend((2..=4).map(|counter| rig.send(write(counter, "more"))));
    let mut answers = Vec::new();
    for sent in sent {
        answers.push(sent.await.unwrap().0);
    }
    let overloaded = Err(ReplicaError::Overloaded { limit: 2 });
    assert_eq!(answers, [Ok(()), Ok(()), Ok(()), overloaded.clone()]);
    let mut large = write(9, "");
    large.pair = Pair::new(&key(), timestamp(9), Some(Bytes::from(vec![0; 65])));
    assert_eq!(rig.send(large).await.unwrap().0, overloaded);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_write_leaves_the_queue() {
    let rig = serving().await;
    let first = rig.send(write(1, "one"));
    sleep(SYNC / 2).await;
    let abandoned = rig.send(write(2, "two"));
    sleep(SYNC / 4).await;
    assert_eq!(rig.metrics.requests_in_flight(), 2);
    abandoned.abort();
    first.await.unwrap().0.unwrap();
    // One more turn of the committer passes the abandoned write.
    let (answer, _) = rig.send(write(1, "one")).await.unwrap();
    answer.unwrap();
    assert_eq!(rig.read().await.unwrap().value, Some("one".into()));
    assert_eq!(rig.metrics.requests_in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn bad_requests_name_what_is_wrong() {
    let rig = serving().await;
    let mut zero = write(1, "one");
    zero.pair = Pair::new(&key(), Timestamp::ZERO, None);
    let (answer, _) = rig.send(zero).await.unwrap();
    assert_eq!(
        answer.unwrap_err().to_string(),
        "invalid request: pair.timestamp is zero, which no write has"
    );
    let mut flipped = write(1, "one");
    flipped.pair.value = Some("onf".into());
    let (answer, _) = rig.send(flipped).await.unwrap();
    assert!(matches!(answer, Err(ReplicaError::Corrupted(_))));
}

#[tokio::test(start_paused = true)]
async fn a_visible_pair_is_never_behind_an_older_timestamp() {
    let rig = serving().await;
    rig.send(write(1, "one")).await.unwrap().0.unwrap();
    // Between the moment a pair is visible and the end of its commit, the timestamp that the
    // replica remembers must not be the old one.
    rig.disk.set_publish_duration(SYNC);
    let sent = rig.send(write(2, "two"));
    sleep(SYNC + SYNC / 2).await;
    assert!(!sent.is_finished());
    assert_eq!(rig.read().await.unwrap().timestamp, timestamp(2));
    let read = rig
        .replica
        .local_read_timestamp(&fence(), &key(), LIMIT)
        .await;
    assert_eq!(read.unwrap(), timestamp(2));
    sent.await.unwrap().0.unwrap();
}
