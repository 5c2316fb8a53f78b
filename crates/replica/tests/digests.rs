//! The sums that follow each commit are those that a scan gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prometheus::Registry;
use proptest::prelude::*;
use quorate_register::{
    Buckets, Config, DIGEST_SUMS, Digest, DigestRequest, Entropy, Fence, Key, Member, OpId, Page,
    PageRequest, Pair, Replica, ReplicaError, ReplicaId, Timestamp, Write, bucket_of, pair_hash,
};
use quorate_replica::disk::{DataDirectory, Options};
use quorate_replica::memory::{MemoryDisk, MemoryStore};
use quorate_replica::{LocalReplica, ReplicaMetrics, ReplicaOptions, Store};
use tokio::task::{JoinHandle, JoinSet};

const OWN: ReplicaId = ReplicaId::from_bytes([1; 16]);
const LIMIT: Duration = Duration::from_secs(3600);

struct Counting(AtomicU64);

impl Entropy for Counting {
    fn bits(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed)) << 64 | 0x5eed
    }
}

fn config() -> Arc<Config> {
    let member = Member {
        replica_id: OWN,
        pod: "replica-0".into(),
    };
    Arc::new(Config::first(vec![member], &Counting(AtomicU64::new(1))).unwrap())
}

/// A replica and the task of its committer.
struct Running<S> {
    replica: LocalReplica<S>,
    committer: JoinHandle<()>,
    fence: Fence,
}

impl<S: Store> Running<S> {
    async fn start(store: S) -> Self {
        let options = ReplicaOptions {
            // So that what a write replaces is now remembered and now read.
            cached_timestamps: 20,
            ..ReplicaOptions::new(OWN, "replica-0")
        };
        let metrics = ReplicaMetrics::new(&Registry::new(), "replica-0").unwrap();
        let (replica, committer) = LocalReplica::new(store, options, metrics);
        let committer = tokio::spawn(async move {
            committer.run().await.unwrap();
        });
        let config = config();
        replica.adopt(OWN, &config, true, LIMIT).await.unwrap();
        let fence = Fence::new(&config, OWN);
        Self {
            replica,
            committer,
            fence,
        }
    }

    async fn digest(&self, request: DigestRequest) -> Result<Digest, ReplicaError> {
        self.replica.digest(&self.fence, &request, LIMIT).await
    }

    /// Compares every sum with what a scan gives.
    async fn assert_exact(&self) {
        while self.digest(DigestRequest::Groups).await == Ok(Digest::Counting) {
            tokio::task::yield_now().await;
        }
        let mut sums = vec![0u64; DIGEST_SUMS * DIGEST_SUMS];
        for (key, pair) in self.scan().await.pairs {
            let sum = &mut sums[usize::from(bucket_of(&key))];
            *sum = sum.wrapping_add(pair_hash(&key, pair.timestamp));
        }
        let groups = self.digest(DigestRequest::Groups).await.unwrap();
        for (group, sums) in sums.chunks(DIGEST_SUMS).enumerate() {
            let found = self.digest(DigestRequest::Buckets(group as u8)).await;
            assert_eq!(found.unwrap().sums().unwrap(), sums, "group {group}");
            let total = sums
                .iter()
                .fold(0u64, |total, sum| total.wrapping_add(*sum));
            assert_eq!(groups.sums().unwrap()[group], total, "group {group}");
        }
    }

    async fn scan(&self) -> Page {
        let request = PageRequest {
            after: None,
            buckets: Buckets::ALL,
            max_bytes: usize::MAX,
        };
        self.replica
            .scan(&self.fence, &request, LIMIT)
            .await
            .unwrap()
    }

    /// Sends writes without waiting for them.
    fn send(&self, writes: &[(u8, u64)], sent: &mut JoinSet<()>) {
        for &(number, counter) in writes {
            let key = Key::new(format!("key {number}")).unwrap();
            let timestamp = Timestamp {
                counter: counter + 1,
                op_id: OpId::from_bytes([counter as u8; 16]),
                ..Timestamp::ZERO
            };
            // Large enough that counting takes many pages.
            let value = (counter % 5 > 0).then(|| Bytes::from(vec![counter as u8; 20 << 10]));
            let write = Write {
                pair: Pair::new(&key, timestamp, value),
                key,
                origin: self.fence.epoch,
            };
            let (replica, fence) = (self.replica.clone(), self.fence);
            sent.spawn(async move {
                // A replica that crashes does not answer.
                let _ = replica.local_write(&fence, &write, LIMIT).await;
            });
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// These keys get pairs with these counters, all at once.
    Write(Vec<(u8, u64)>),
    /// Time passes, in milliseconds.
    Wait(u64),
    /// What is queued or being synced is lost.
    Crash,
    /// The sums are compared once all writes are answered.
    Compare,
}

fn any_step() -> impl Strategy<Value = Step> {
    let writes = prop::collection::vec((0..100u8, 0..40u64), 1..40);
    prop_oneof![
        6 => writes.prop_map(Step::Write),
        3 => (0..8u64).prop_map(Step::Wait),
        2 => Just(Step::Crash),
        1 => Just(Step::Compare),
    ]
}

/// Plays the steps; `open` opens the disk once the store before is dropped.
async fn play<S: Store>(steps: Vec<Step>, open: impl Fn() -> S) {
    let mut running = Running::start(open()).await;
    let mut sent = JoinSet::new();
    for step in steps {
        match step {
            Step::Write(writes) => running.send(&writes, &mut sent),
            Step::Wait(duration) => tokio::time::sleep(Duration::from_millis(duration)).await,
            Step::Crash => {
                sent.shutdown().await;
                let Running {
                    replica, committer, ..
                } = running;
                drop(replica);
                committer.abort();
                let _ = committer.await;
                running = Running::start(open()).await;
            }
            Step::Compare => {
                while sent.join_next().await.is_some() {}
                running.assert_exact().await;
            }
        }
    }
    while sent.join_next().await.is_some() {}
    running.assert_exact().await;
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn in_memory_sums_are_exact_after_any_history(steps in prop::collection::vec(any_step(), 1..30)) {
        let disk = Arc::new(MemoryDisk::default());
        disk.set_sync_duration(Duration::from_millis(3));
        disk.set_publish_duration(Duration::from_millis(1));
        block_on(play(steps, || MemoryStore::open(disk.clone())));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn on_disk_sums_are_exact_after_any_history(steps in prop::collection::vec(any_step(), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            segment_bytes: 512 << 10,
            memtable_bytes: 1 << 20,
            ..Options::default()
        };
        block_on(play(steps, || open(folder.path(), &options)));
    }
}

#[test]
fn a_count_takes_many_pages_and_commits_come_between_them() {
    block_on(async {
        let disk = Arc::new(MemoryDisk::default());
        let all: Vec<_> = (0..100).map(|number| (number, 1)).collect();
        let first = Running::start(MemoryStore::open(disk.clone())).await;
        let mut sent = JoinSet::new();
        first.send(&all, &mut sent);
        while sent.join_next().await.is_some() {}
        drop(first);
        let again = Running::start(MemoryStore::open(disk.clone())).await;
        let mut while_counting = 0;
        for counter in 2.. {
            let counting = again.digest(DigestRequest::Groups).await == Ok(Digest::Counting);
            let some: Vec<_> = (0..100)
                .step_by(7)
                .map(|number| (number, counter))
                .collect();
            again.send(&some, &mut sent);
            while sent.join_next().await.is_some() {}
            match counting {
                true => while_counting += 1,
                false => break,
            }
        }
        assert!(while_counting > 1, "{while_counting}");
        again.assert_exact().await;
    });
}

fn open(path: &std::path::Path, options: &Options) -> Arc<quorate_replica::disk::DiskStore> {
    let directory = DataDirectory::open(path, options, &Counting(AtomicU64::new(7)));
    directory.unwrap().store().clone()
}
