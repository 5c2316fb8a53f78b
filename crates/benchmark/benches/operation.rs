//! Whole operations without transport and disk: the quorum calls of a coordinator over three
//! replicas in memory, all on one thread.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{BATCH, Counting, VALUE_BYTES, key, value};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use prometheus::Registry;
use quorate_coordinator::membership::{FixedDirectory, Membership, bootstrap, load};
use quorate_coordinator::{Coordinator, CoordinatorMetrics, CoordinatorOptions};
use quorate_register::{Register, ReplicaId};
use quorate_replica::memory::{MemoryDisk, MemoryStore};
use quorate_replica::{LocalReplica, ReplicaMetrics, ReplicaOptions};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

const REPLICAS: usize = 3;
const LIMIT: Duration = Duration::from_secs(1);

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime")
}

async fn coordinator() -> Coordinator {
    let (registry, entropy) = (Registry::new(), Arc::new(Counting::default()));
    let mut directory = FixedDirectory::default();
    for number in 0..REPLICAS {
        let pod = format!("replica-{number}");
        let metrics = ReplicaMetrics::new(&registry, &pod).expect("each has its own series");
        let options = ReplicaOptions::new(ReplicaId::random(&*entropy), &pod);
        let store = MemoryStore::open(Arc::new(MemoryDisk::default()));
        let (replica, committer) = LocalReplica::new(store, options, metrics);
        tokio::spawn(committer.run());
        directory = directory.with(pod, "in this process", Arc::new(replica));
    }
    let directory = Arc::new(directory);
    let first = bootstrap(&*directory, None, &*entropy, LIMIT).await;
    first.expect("empty replicas take a first config");
    let metrics = CoordinatorMetrics::new(&registry).expect("one coordinator");
    let membership = Membership::new(directory, entropy.clone(), metrics.clone());
    let membership = Arc::new(membership);
    let loaded = load(&membership, None, LIMIT).await;
    loaded.expect("the replicas hold it");
    let (options, stop) = (CoordinatorOptions::default(), CancellationToken::new());
    Coordinator::new(options, membership, entropy, metrics, stop)
}

fn operations(criterion: &mut Criterion) {
    let runtime = runtime();
    let coordinator = runtime.block_on(coordinator());
    for in_flight in [1, BATCH] {
        let mut group = criterion.benchmark_group(format!("{in_flight} in flight"));
        group.throughput(Throughput::Elements(in_flight as u64));
        for length in VALUE_BYTES {
            let value = value(length);
            let keys: Vec<_> = (0..in_flight as u64).map(key).collect();
            group.bench_function(BenchmarkId::new("Set", length), |bench| {
                bench.to_async(&runtime).iter(async || {
                    let sets = keys
                        .iter()
                        .map(|key| coordinator.set(key, value.clone(), None));
                    for set in join_all(sets).await {
                        set.expect("every replica works");
                    }
                });
            });
            group.bench_function(BenchmarkId::new("Get", length), |bench| {
                bench.to_async(&runtime).iter(async || {
                    for get in join_all(keys.iter().map(|key| coordinator.get(key, None))).await {
                        get.expect("every replica works");
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, operations);
criterion_main!(benches);
