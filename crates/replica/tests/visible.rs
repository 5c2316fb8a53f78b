//! What one reader sees of the real store while it commits: never an older timestamp behind a
//! newer pair.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::executor::block_on;
use futures::future::join_all;
use prometheus::Registry;
use quorate_register::{Config, Fence, Key, Member, OpId, Pair, Replica, Timestamp, Write};
use quorate_replica::{DirectoryDisk, ReplicaMetrics, start};
use quorate_runtime::SystemEntropy;

const LIMIT: Duration = Duration::from_secs(10);
const KEYS: usize = 256;
const ROUNDS: u64 = 300;

#[test]
fn a_visible_pair_is_never_behind_an_older_timestamp() {
    let folder = tempfile::tempdir().unwrap();
    let disk = DirectoryDisk::new(folder.path(), "replica-0", Arc::new(SystemEntropy));
    let metrics = ReplicaMetrics::new(&Registry::new(), "replica-0").unwrap();
    let replica = start(disk, metrics).unwrap().replica;
    let own = block_on(replica.identify(LIMIT)).unwrap().replica_id;
    let member = Member {
        replica_id: own,
        pod: "replica-0".into(),
    };
    let config = Arc::new(Config::first(vec![member], &SystemEntropy).unwrap());
    block_on(replica.adopt(own, &config, true, LIMIT)).unwrap();
    let fence = Fence::new(&config, own);
    let keys: Vec<Key> = (0..KEYS)
        .map(|n| Key::new(format!("key {n}")).unwrap())
        .collect();

    let done = AtomicBool::new(false);
    let mut reads = 0_u64;
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for counter in 1..=ROUNDS {
                // All keys at once, so that they are one batch, visible one after the other.
                let writes = keys.iter().map(|key| {
                    let timestamp = Timestamp {
                        counter,
                        op_id: OpId::from_bytes([7; 16]),
                        ..Timestamp::ZERO
                    };
                    let write = Write {
                        key: key.clone(),
                        pair: Pair::new(key, timestamp, Some("value".into())),
                        origin: fence.epoch,
                    };
                    let replica = &replica;
                    async move { replica.local_write(&fence, &write, LIMIT).await.unwrap() }
                });
                block_on(join_all(writes));
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            for key in &keys {
                let pair = block_on(replica.local_read(&fence, key, LIMIT)).unwrap();
                let timestamp = block_on(replica.local_read_timestamp(&fence, key, LIMIT)).unwrap();
                assert!(
                    timestamp >= pair.timestamp,
                    "{timestamp} behind {}",
                    pair.timestamp
                );
                reads += 1;
            }
        }
    });
    assert!(reads > 0);
}
