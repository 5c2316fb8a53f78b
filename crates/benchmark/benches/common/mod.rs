//! What the benchmarks of single pieces work on.

// Each benchmark is a program of its own and uses a part of this.
#![allow(dead_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quorate_register::{Entropy, Key, OpId, Pair, Timestamp};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The lengths of values in bytes.
pub(crate) const VALUE_BYTES: [usize; 3] = [64, 1 << 10, 64 << 10];

/// How many keys there are; each is written again and again.
pub(crate) const KEYS: u64 = 10_000;

/// As many writes as a full message or commit under load has.
pub(crate) const BATCH: usize = 64;

/// Numbers that differ, and are the same in every run.
#[derive(Default)]
pub(crate) struct Counting(AtomicU64);

impl Entropy for Counting {
    fn bits(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed)) << 64 | 0x7175_6f72_6174_6521
    }
}

/// 16 bytes; what follows each other lies far apart.
pub(crate) fn key(number: u64) -> Key {
    let number = number.wrapping_mul(7919) % KEYS;
    Key::new(format!("key-{number:012}")).expect("16 bytes are a key")
}

pub(crate) fn value(length: usize) -> Bytes {
    vec![0x5a; length].into()
}

pub(crate) fn timestamp(counter: u64) -> Timestamp {
    Timestamp {
        counter,
        op_id: OpId::from_bytes([7; 16]),
        ..Timestamp::ZERO
    }
}

pub(crate) fn pair(key: &Key, counter: u64, value: &Bytes) -> Pair {
    Pair::new(key, timestamp(counter), Some(value.clone()))
}
