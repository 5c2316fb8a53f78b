//! Large values lie in files of their own, whose garbage is collected.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use quorate_register::{Key, OpId, Pair, Timestamp};

use crate::support::{Pairs, assert_holds, commit, key, open, small};

const VALUE_BYTES: usize = 1000;
const COLD_KEYS: u64 = 300;
const HOT_KEYS: u64 = 3;

fn large(number: u64, version: u64) -> (Key, Pair) {
    let key = key(number);
    let timestamp = Timestamp {
        counter: version,
        op_id: OpId::from_bytes([3; 16]),
        ..Timestamp::ZERO
    };
    let value = Bytes::from(vec![(number + version) as u8; VALUE_BYTES]);
    let pair = Pair::new(&key, timestamp, Some(value));
    (key, pair)
}

/// Each file gets one value that stays for every three that are soon garbage, so no file is
/// ever without a live value unless these are copied.
#[test]
fn garbage_among_live_values_is_collected() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path()).unwrap();
    let store = directory.store();
    let mut expected = Pairs::new();
    let mut write = |version: u64, cold: Option<u64>| {
        let hot = (0..HOT_KEYS).map(|n| large(n, version));
        let batch: Vec<_> = hot.chain(cold.map(|n| large(n, version))).collect();
        commit(store, &batch).unwrap();
        expected.extend(batch);
    };
    for version in 1..=COLD_KEYS {
        write(version, Some(HOT_KEYS + version));
    }
    // As much again as is live, and what a few flushes bring that no merge has seen.
    let live = (COLD_KEYS + HOT_KEYS) * VALUE_BYTES as u64;
    let bound = 2 * live + 10 * small().segment_bytes;
    assert!(bound < COLD_KEYS * (1 + HOT_KEYS) * VALUE_BYTES as u64 * 2 / 3);
    // Merges run beside commits, so it takes some more of them.
    let blobs = folder.path().join("table/blobs");
    let mut version = COLD_KEYS;
    while length_of_files(&blobs) > bound {
        assert!(version < 20 * COLD_KEYS, "{}", length_of_files(&blobs));
        version += 1;
        write(version, None);
    }
    assert_holds(store, &expected);
    assert!(length_of_files(&blobs) > live / 2, "the values lie there");
    drop(directory);
    assert_holds(open(folder.path()).unwrap().store(), &expected);
}

fn length_of_files(folder: &Path) -> u64 {
    // A file may go between listing and asking.
    let lengths = fs::read_dir(folder).unwrap().map(|entry| {
        let metadata = entry.unwrap().metadata();
        metadata.map_or(0, |metadata| metadata.len())
    });
    lengths.sum()
}
