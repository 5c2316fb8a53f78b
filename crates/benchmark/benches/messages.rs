//! What one exchange message costs at each end: made of calls, encoded, decoded.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{BATCH, VALUE_BYTES, key, pair, value};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use quorate_proto::convert::exchange::{Asked, ReplicaCall, exchange_request};
use quorate_proto::v1;
use quorate_register::{ClusterId, ConfigId, Epoch, Fence, ReplicaId, Write};

const EPOCH: Epoch = Epoch {
    recovery: 0,
    number: 3,
};

/// A full message of LocalWrites, which share their fence.
fn calls(length: usize) -> Vec<(u64, ReplicaCall)> {
    let fence = Fence {
        cluster_id: ClusterId::from_bytes([1; 16]),
        replica_id: ReplicaId::from_bytes([2; 16]),
        config_id: ConfigId::from_bytes([3; 16]),
        epoch: EPOCH,
    };
    let value = value(length);
    let call = |number: u64| {
        let key = key(number);
        let pair = pair(&key, number, &value);
        let origin = EPOCH;
        ReplicaCall {
            fence,
            timeout: Duration::from_secs(1),
            asked: Asked::Write(Write { key, pair, origin }),
            trace: None,
        }
    };
    (1..=BATCH as u64).map(|id| (id, call(id))).collect()
}

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode a message of 64 LocalWrites");
    group.throughput(Throughput::Elements(BATCH as u64));
    for length in VALUE_BYTES {
        let calls = calls(length);
        group.bench_function(BenchmarkId::from_parameter(length), |bench| {
            let encode = |calls| exchange_request(calls, Vec::new()).encode_to_vec();
            bench.iter_batched(|| calls.clone(), encode, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode a message of 64 LocalWrites");
    group.throughput(Throughput::Elements(BATCH as u64));
    for length in VALUE_BYTES {
        let message = exchange_request(calls(length), Vec::new()).encode_to_vec();
        let message = Bytes::from(message);
        group.bench_function(BenchmarkId::from_parameter(length), |bench| {
            bench.iter(|| v1::ExchangeRequest::decode(message.clone()).expect("it was encoded"));
        });
    }
    group.finish();
}

criterion_group!(benches, encoding, decoding);
criterion_main!(benches);
