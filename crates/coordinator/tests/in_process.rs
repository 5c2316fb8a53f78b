//! A coordinator over replicas in the same process.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus::Registry;
use quorate_coordinator::membership::{FixedDirectory, Membership, bootstrap, load};
use quorate_coordinator::{Coordinator, CoordinatorMetrics, CoordinatorOptions};
use quorate_register::{Applied, Entropy, Key, Reason, Register, ReplicaId};
use quorate_replica::memory::{MemoryDisk, MemoryStore};
use quorate_replica::{LocalReplica, ReplicaMetrics, ReplicaOptions};
use tokio_util::sync::CancellationToken;

struct Random;

impl Entropy for Random {
    fn bits(&self) -> u128 {
        rand::random()
    }
}

const LIMIT: Duration = Duration::from_secs(1);

struct Cluster {
    coordinator: Coordinator,
    disks: Vec<Arc<MemoryDisk>>,
    committers: Vec<tokio::task::JoinHandle<()>>,
}

async fn cluster(replicas: usize) -> Cluster {
    let registry = Registry::new();
    let mut directory = FixedDirectory::default();
    let mut disks = Vec::new();
    let mut committers = Vec::new();
    for n in 0..replicas {
        let pod = format!("replica-{n}");
        let disk = Arc::new(MemoryDisk::default());
        let options = ReplicaOptions::new(ReplicaId::random(&Random), &pod);
        let metrics = ReplicaMetrics::new(&registry, &pod).unwrap();
        let store = MemoryStore::open(disk.clone());
        let (replica, committer) = LocalReplica::new(store, options, metrics);
        committers.push(tokio::spawn(async move {
            committer.run().await.unwrap();
        }));
        directory = directory.with(pod, "in-process", Arc::new(replica));
        disks.push(disk);
    }
    let directory = Arc::new(directory);
    bootstrap(&*directory, None, &Random, LIMIT).await.unwrap();
    let metrics = CoordinatorMetrics::new(&registry).unwrap();
    let membership = Arc::new(Membership::new(
        directory,
        Arc::new(Random),
        metrics.clone(),
    ));
    load(&membership, None, LIMIT).await.unwrap();
    let coordinator = Coordinator::new(
        CoordinatorOptions::default(),
        membership,
        Arc::new(Random),
        metrics,
        CancellationToken::new(),
    );
    Cluster {
        coordinator,
        disks,
        committers,
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_is_read_back_until_it_is_deleted() {
    for replicas in 1..=5 {
        let Cluster { coordinator, .. } = cluster(replicas).await;
        let key = Key::new("greeting").unwrap();
        assert_eq!(coordinator.get(&key, None).await.unwrap().value, None);
        let hello = Bytes::from_static(b"hello");
        let written = coordinator.set(&key, hello.clone(), None).await.unwrap();
        let entry = coordinator.get(&key, None).await.unwrap();
        assert_eq!((entry.value, entry.version), (Some(hello), written));
        let deleted = coordinator.delete(&key, None).await.unwrap();
        assert!(deleted > written);
        let entry = coordinator.get(&key, None).await.unwrap();
        assert_eq!((entry.value, entry.version), (None, deleted));
    }
}

#[tokio::test(start_paused = true)]
async fn a_minority_may_die_and_a_majority_is_missed_by_the_deadline() {
    let Cluster {
        coordinator,
        committers,
        disks,
    } = cluster(3).await;
    let key = Key::new("greeting").unwrap();
    coordinator.set(&key, "one".into(), None).await.unwrap();
    committers[0].abort();
    coordinator.set(&key, "two".into(), None).await.unwrap();
    assert_eq!(
        coordinator.get(&key, None).await.unwrap().value,
        Some("two".into())
    );
    committers[1].abort();
    let timeout = Some(Duration::from_secs(3));
    let error = coordinator
        .set(&key, "three".into(), timeout)
        .await
        .unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::NoQuorum, Applied::Maybe)
    );
    assert_eq!(error.details["needed"], "2");
    assert_eq!(error.details["received"], "1");
    assert!(error.details["cause/replica-0"].contains("the replica is stopping"));
    assert_eq!(disks[2].pairs()[0].1.value, Some("three".into()));
}
