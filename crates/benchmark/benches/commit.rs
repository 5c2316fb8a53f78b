//! The store's commit path, on a real disk: a batch is in the log and synced, then in the table.
//!
//! The sync is the disk's and differs from machine to machine, and from minute to minute.

mod common;

use common::{BATCH, Counting, KEYS, VALUE_BYTES, key, pair, value};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;
use quorate_register::{Key, Pair};
use quorate_replica::Store;
use quorate_replica::disk::{DataDirectory, Options};
use tempfile::TempDir;

/// A new disk, in the folder of temporary files: `TMPDIR` names another.
fn disk() -> (TempDir, DataDirectory) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = DataDirectory::open(folder.path(), &Options::default(), &Counting::default());
    (folder, disk.expect("an empty folder becomes a disk"))
}

fn commits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20);
    for (batch, length) in VALUE_BYTES
        .into_iter()
        .flat_map(|length| [(1, length), (BATCH, length)])
    {
        let (_folder, disk) = disk();
        let store = disk.store();
        let value = value(length);
        let mut counter = 0;
        let mut pairs = || -> Vec<(Key, Pair)> {
            let next = |_| {
                counter += 1;
                let key = key(counter);
                let pair = pair(&key, counter, &value);
                (key, pair)
            };
            (0..batch).map(next).collect()
        };
        group.throughput(Throughput::Elements(batch as u64));
        let name = BenchmarkId::new(format!("{batch} pairs"), length);
        group.bench_function(name, |bench| {
            let commit = |pairs: Vec<_>| block_on(store.commit(&pairs)).expect("the disk works");
            bench.iter_batched(&mut pairs, commit, BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// Of what was written a moment ago, and lies in memory.
fn reads(criterion: &mut Criterion) {
    let (_folder, disk) = disk();
    let store = disk.store();
    let value = value(VALUE_BYTES[0]);
    let numbers: Vec<u64> = (1..=KEYS).collect();
    for some in numbers.chunks(BATCH) {
        let pairs = some.iter().map(|&number| {
            let key = key(number);
            let pair = pair(&key, number, &value);
            (key, pair)
        });
        let pairs: Vec<_> = pairs.collect();
        block_on(store.commit(&pairs)).expect("the disk works");
    }
    let mut number = 0;
    criterion.bench_function("read", |bench| {
        let next = || {
            number += 1;
            key(number)
        };
        let read = |key: Key| store.read(&key).expect("the disk works").expect("written");
        bench.iter_batched(next, read, BatchSize::SmallInput);
    });
}

criterion_group!(benches, commits, reads);
criterion_main!(benches);
