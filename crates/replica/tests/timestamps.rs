//! The timestamps that a replica remembers: a bounded number, and none of them costs a read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::Registry;
use quorate_register::{
    Config, DiskBoots, Entropy, Fence, HeldConfig, Key, Member, OpId, Page, PageRequest, Pair,
    Replica, ReplicaId, Timestamp, Write,
};
use quorate_replica::memory::{MemoryDisk, MemoryStore};
use quorate_replica::{LocalReplica, ReplicaMetrics, ReplicaOptions, Space, Store, StoreError};

const OWN: ReplicaId = ReplicaId::from_bytes([1; 16]);
const LIMIT: Duration = Duration::from_secs(10);

/// A store in memory that counts how often a pair is read.
struct Counting {
    store: MemoryStore,
    reads: AtomicU64,
}

impl Store for Counting {
    fn read(&self, key: &Key) -> Result<Option<Pair>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.store.read(key)
    }

    fn scan(&self, request: &PageRequest) -> Result<Page, StoreError> {
        self.store.scan(request)
    }

    async fn commit(&self, pairs: &[(Key, Pair)]) -> Result<(), StoreError> {
        self.store.commit(pairs).await
    }

    fn config(&self) -> Option<HeldConfig> {
        self.store.config()
    }

    async fn save_config(&self, config: &HeldConfig) -> Result<(), StoreError> {
        self.store.save_config(config).await
    }

    fn boots(&self) -> DiskBoots {
        self.store.boots()
    }

    async fn save_boots(&self, boots: &DiskBoots) -> Result<(), StoreError> {
        self.store.save_boots(boots).await
    }

    async fn mark_retired(&self) -> Result<(), StoreError> {
        self.store.mark_retired().await
    }

    fn space(&self) -> Result<Space, StoreError> {
        self.store.space()
    }

    fn sync_duration(&self) -> Duration {
        self.store.sync_duration()
    }

    fn keys(&self) -> u64 {
        self.store.keys()
    }

    fn disk_bytes(&self) -> u64 {
        self.store.disk_bytes()
    }
}

struct Fixed;

impl Entropy for Fixed {
    fn bits(&self) -> u128 {
        5
    }
}

struct Rig {
    replica: LocalReplica<Arc<Counting>>,
    store: Arc<Counting>,
    fence: Fence,
}

impl Rig {
    async fn new(cached_timestamps: usize) -> Self {
        let store = Arc::new(Counting {
            store: MemoryStore::open(Arc::new(MemoryDisk::default())),
            reads: AtomicU64::new(0),
        });
        let options = ReplicaOptions {
            cached_timestamps,
            ..ReplicaOptions::new(OWN, "replica-0")
        };
        let metrics = ReplicaMetrics::new(&Registry::new(), "replica-0").unwrap();
        let (replica, committer) = LocalReplica::new(store.clone(), options, metrics);
        tokio::spawn(committer.run());
        let member = Member {
            replica_id: OWN,
            pod: "replica-0".into(),
        };
        let config = Arc::new(Config::first(vec![member], &Fixed).unwrap());
        replica.adopt(OWN, &config, true, LIMIT).await.unwrap();
        Self {
            replica,
            store,
            fence: Fence::new(&config, OWN),
        }
    }

    async fn write(&self, key: &Key, counter: u64) {
        let write = Write {
            key: key.clone(),
            pair: Pair::new(key, timestamp(counter), Some("value".into())),
            origin: self.fence.epoch,
        };
        let written = self.replica.local_write(&self.fence, &write, LIMIT);
        written.await.unwrap();
    }

    /// The counter of a key's timestamp, and how many reads of the store it took.
    async fn timestamp(&self, key: &Key) -> (u64, u64) {
        let before = self.store.reads.load(Ordering::Relaxed);
        let answer = self.replica.local_read_timestamp(&self.fence, key, LIMIT);
        let counter = answer.await.unwrap().counter;
        (counter, self.store.reads.load(Ordering::Relaxed) - before)
    }
}

fn timestamp(counter: u64) -> Timestamp {
    Timestamp {
        counter,
        op_id: OpId::from_bytes([7; 16]),
        ..Timestamp::ZERO
    }
}

fn key(number: u64) -> Key {
    Key::new(format!("key {number}")).unwrap()
}

#[tokio::test]
async fn a_remembered_timestamp_costs_no_read() {
    let rig = Rig::new(100).await;
    for counter in 1..=3 {
        rig.write(&key(0), counter).await;
        assert_eq!(rig.timestamp(&key(0)).await, (counter, 0));
    }
    // That of a key which was never written is not remembered, and read each time.
    assert_eq!(rig.timestamp(&key(1)).await, (0, 1));
    assert_eq!(rig.timestamp(&key(1)).await, (0, 1));
    // Writes compare with it likewise.
    let before = rig.store.reads.load(Ordering::Relaxed);
    rig.write(&key(0), 4).await;
    assert_eq!(rig.store.reads.load(Ordering::Relaxed), before);
}

/// Reading a timestamp remembers nothing, so those that cost no read are those remembered.
#[tokio::test]
async fn no_more_are_remembered_than_the_option_says_however_many_keys_there_are() {
    for cached_timestamps in [0, 1, 7, 100, 1024] {
        let rig = Rig::new(cached_timestamps).await;
        let keys: Vec<Key> = (0..5000).map(key).collect();
        for (key, counter) in keys.iter().zip(1..) {
            rig.write(key, counter).await;
        }
        let mut remembered = 0;
        for (key, written) in keys.iter().zip(1..) {
            let (counter, reads) = rig.timestamp(key).await;
            assert_eq!(counter, written, "a miss reads the store");
            assert!(reads <= 1);
            remembered += usize::from(reads == 0);
        }
        assert!(
            remembered <= cached_timestamps,
            "{remembered} of at most {cached_timestamps}"
        );
        assert!(
            remembered >= cached_timestamps.div_ceil(2),
            "{remembered} of {cached_timestamps}, so that memory is not wasted"
        );
    }
}
