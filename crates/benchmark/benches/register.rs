//! Decisions and checks of the domain: no transport, no disk.

mod common;

use std::hint::black_box;

use common::{VALUE_BYTES, key, pair, timestamp, value};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use quorate_register::{MemberSet, Quorums, pair_hash};

/// The checksum over key, timestamp and value, made once and checked by everybody who reads.
fn checksums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pair checksum");
    for length in VALUE_BYTES {
        let (key, value) = (key(1), value(length));
        let pair = pair(&key, 1, &value);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_with_input(BenchmarkId::from_parameter(length), &pair, |bench, pair| {
            bench.iter(|| black_box(pair).verify(&key));
        });
    }
    group.finish();
}

/// What the sums that repair compares are made of, for each write.
fn digests(criterion: &mut Criterion) {
    let key = key(1);
    criterion.bench_function("pair hash", |bench| {
        bench.iter(|| pair_hash(black_box(&key), timestamp(1)));
    });
}

/// Answers of three members and, while they change, of three and five.
fn quorums(criterion: &mut Criterion) {
    let first = |n: usize| (0..n).collect::<MemberSet>();
    for (name, quorums) in [
        ("quorum of 3", Quorums::new(first(3), None)),
        ("quorum of 3 and 5", Quorums::new(first(3), Some(first(5)))),
    ] {
        criterion.bench_function(name, |bench| {
            bench.iter(|| {
                let mut answered = MemberSet::EMPTY;
                (0..5).find(|&member| {
                    answered.insert(black_box(member));
                    quorums.reached(answered)
                })
            });
        });
    }
}

criterion_group!(benches, checksums, digests, quorums);
criterion_main!(benches);
