//! `kill -9`, again and again, of a real replica process under load, restarted under load: after
//! each start every acknowledged pair is there.
//!
//! `QUORATE_CRASHES` sets how often; the default is 100.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_proto::transport::{ChannelOptions, channel};
use quorate_proto::{Limits, RemoteReplica};
use quorate_register::{
    Config, Fence, Key, Member, OpId, Pair, Replica, ReplicaError, ReplicaId, Timestamp, Write,
};
use quorate_runtime::SystemEntropy;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

const POD: &str = "replica-0";
const WRITERS: usize = 16;
const KEYS_PER_WRITER: usize = 32;
const CALL_LIMIT: Duration = Duration::from_secs(2);
/// For conditions that hold within a second unless the machine is very busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// One key: the counter written last, and the largest that was acknowledged.
struct Slot {
    key: Key,
    acknowledged: AtomicU64,
}

/// A replica process; killed when dropped.
struct Process(Child);

impl Process {
    fn start(data_dir: &Path, listen: SocketAddr, admin: SocketAddr) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_quorate-replica"))
            .args(["--pod", POD, "--log", "warn"])
            .arg(format!("--listen={listen}"))
            .arg(format!("--admin-listen={admin}"))
            .arg("--data-dir")
            .arg(data_dir)
            .stdin(Stdio::null())
            .spawn()
            .expect("the program is built");
        Self(child)
    }

    /// SIGKILL, and gone when this returns.
    fn kill(mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "it ended by itself");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Waits until the replica answers; `None` from `done` means not yet.
async fn eventually<T>(what: &str, mut done: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = done().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn identity(replica: &RemoteReplica) -> ReplicaId {
    let asked = eventually("the replica answers", async || {
        replica.identify(CALL_LIMIT).await.ok()
    });
    asked.await.replica_id
}

fn pair(key: &Key, counter: u64) -> Pair {
    let timestamp = Timestamp {
        counter,
        op_id: OpId::from_bytes([7; 16]),
        ..Timestamp::ZERO
    };
    Pair::new(key, timestamp, Some(format!("value {counter}").into()))
}

/// Writes larger and larger timestamps to its keys for ever, whether the replica is there or not.
async fn write(replica: RemoteReplica, fence: Fence, slots: Vec<Arc<Slot>>) {
    for counter in 1.. {
        for slot in &slots {
            let write = Write {
                key: slot.key.clone(),
                pair: pair(&slot.key, counter),
                origin: fence.epoch,
            };
            match replica.local_write(&fence, &write, CALL_LIMIT).await {
                Ok(()) => slot.acknowledged.store(counter, Ordering::SeqCst),
                Err(error) => {
                    assert!(!error.is_final(true), "{error}");
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }
}

/// Every pair that was acknowledged before this call is there, or a larger one; each as it was
/// written.
async fn check(replica: &RemoteReplica, fence: &Fence, slots: &[Arc<Slot>], cycle: usize) -> u64 {
    let acknowledged: Vec<u64> = slots
        .iter()
        .map(|slot| slot.acknowledged.load(Ordering::SeqCst))
        .collect();
    for (slot, &acknowledged) in slots.iter().zip(&acknowledged) {
        let read = eventually("a read is answered", async || {
            match replica.local_read(fence, &slot.key, CALL_LIMIT).await {
                Err(ReplicaError::Unreachable { .. } | ReplicaError::TimedOut { .. }) => None,
                answer => Some(answer.unwrap()),
            }
        });
        let read = read.await;
        let counter = read.timestamp.counter;
        assert!(
            counter >= acknowledged,
            "after crash {cycle}: {:?} has {counter}, and {acknowledged} was acknowledged",
            slot.key
        );
        if counter > 0 {
            assert_eq!(read, pair(&slot.key, counter));
        }
    }
    acknowledged.iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_pair_survives_kill_9() {
    let crashes = std::env::var("QUORATE_CRASHES").map_or(100, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let (listen, admin) = (free_address(), free_address());
    let connect = || {
        let channel = channel(&listen.to_string(), &ChannelOptions::default()).unwrap();
        RemoteReplica::new(channel, Limits::largest())
    };
    let replica = connect();
    let mut process = Process::start(&data_dir, listen, admin);
    let own = identity(&replica).await;
    let member = Member {
        replica_id: own,
        pod: POD.into(),
    };
    let config = Arc::new(Config::first(vec![member], &SystemEntropy).unwrap());
    replica.adopt(own, &config, true, CALL_LIMIT).await.unwrap();
    let fence = Fence::new(&config, own);

    let mut slots = Vec::new();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let own: Vec<_> = (0..KEYS_PER_WRITER)
            .map(|n| {
                Arc::new(Slot {
                    key: Key::new(format!("writer {writer}, key {n}")).unwrap(),
                    acknowledged: AtomicU64::new(0),
                })
            })
            .collect();
        slots.extend(own.iter().cloned());
        writers.spawn(write(connect(), fence, own));
    }
    let total = || {
        slots
            .iter()
            .map(|slot| slot.acknowledged.load(Ordering::SeqCst))
            .sum::<u64>()
    };
    let mut checked = 0;
    for cycle in 1..=crashes {
        // Some progress, then a moment that differs from crash to crash.
        let before = total();
        eventually("writes go on", async || {
            (total() > before + 100).then_some(())
        })
        .await;
        sleep(Duration::from_micros(u64::from(rand_like(cycle)))).await;
        process.kill();
        process = Process::start(&data_dir, listen, admin);
        assert_eq!(identity(&replica).await, own, "the disk kept its identity");
        let checking = check(&replica, &fence, &slots, cycle);
        checked = timeout(PATIENCE, checking)
            .await
            .expect("reads are answered");
    }
    writers.shutdown().await;
    println!("{crashes} crashes, {checked} acknowledged writes, all there after each");
    process.kill();
}

/// Up to 20 ms, different for each crash and the same in every run.
fn rand_like(cycle: usize) -> u32 {
    let scrambled = (cycle as u32).wrapping_mul(2_654_435_761);
    scrambled % 20_000
}
