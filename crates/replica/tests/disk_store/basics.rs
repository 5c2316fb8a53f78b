//! Opening, committing, reading, closing.

use std::fs;

use quorate_register::{Buckets, Key, Page, PageRequest, bucket_of, scan_order};
use quorate_replica::disk::{DataDirectory, OpenError, Options};
use quorate_replica::{Store, StoreError};

use crate::support::{
    Counting, Pairs, assert_holds, batch, commit, config, key, open, pair, save_config, scan, small,
};

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/data");
    let mut expected = Pairs::new();
    let mut replica_id = None;
    for version in 1..=20 {
        let directory = open(&path).unwrap();
        assert_eq!(
            *replica_id.get_or_insert(directory.replica_id()),
            directory.replica_id()
        );
        let store = directory.store();
        assert_holds(store, &expected);
        let pairs = batch((0..10).map(|n| n * version), version);
        commit(store, &pairs[..5]).unwrap();
        commit(store, &pairs[5..]).unwrap();
        expected.extend(pairs);
        assert_holds(store, &expected);
        if version % 2 == 0 {
            store.close().unwrap();
            store.close().unwrap();
            assert!(matches!(
                commit(store, &batch([1], 99)),
                Err(StoreError::Failed { .. })
            ));
            assert_holds(store, &expected);
        }
    }
}

#[test]
fn an_empty_store_has_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path()).unwrap();
    let store = directory.store();
    assert_holds(store, &Pairs::new());
    assert_eq!(store.config(), None);
    assert_eq!(store.keys(), 0);
    commit(store, &[]).unwrap();
    assert_holds(store, &Pairs::new());
    let space = store.space().unwrap();
    assert!(space.free_bytes > 0);
    assert!(space.capacity_bytes >= space.free_bytes, "{space:?}");
}

#[test]
fn the_config_survives_and_the_last_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    for number in 1..=5 {
        let directory = open(folder.path()).unwrap();
        assert_eq!(
            directory.store().config(),
            (number > 1).then(|| config(number * 10 - 10))
        );
        save_config(directory.store(), &config(number)).unwrap();
        save_config(directory.store(), &config(number * 10)).unwrap();
        assert_eq!(directory.store().config(), Some(config(number * 10)));
    }
}

#[test]
fn pages_end_at_their_bytes_and_begin_behind_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path()).unwrap();
    let store = directory.store();
    commit(store, &batch(0..20, 1)).unwrap();
    // A key has 9 bytes and this version's value 4.
    let page = |after, max_bytes| {
        store
            .scan(&PageRequest {
                after,
                buckets: Buckets::ALL,
                max_bytes,
            })
            .unwrap()
    };
    assert_eq!(page(None, 26).pairs.len(), 2);
    assert_eq!(page(None, 25).pairs.len(), 1);
    assert_eq!(page(None, 0).pairs.len(), 1);
    assert!(!page(None, 0).last);
    let mut keys: Vec<_> = (0..20).map(key).collect();
    keys.sort_by(scan_order);
    let rest = page(Some(keys[17].clone()), 1000);
    assert_eq!(names(&rest), keys[18..]);
    assert!(rest.last);
    let end = page(Some(keys[19].clone()), 10);
    assert!(end.last && end.pairs.is_empty());
}

#[test]
fn scans_keep_to_their_buckets() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path()).unwrap();
    let store = directory.store();
    commit(store, &batch(0..2000, 1)).unwrap();
    let mut keys: Vec<_> = (0..2000).map(key).collect();
    keys.sort_by(scan_order);
    let page = |after: Option<&Key>, buckets| {
        let request = PageRequest {
            after: after.cloned(),
            buckets,
            max_bytes: usize::MAX,
        };
        store.scan(&request).unwrap()
    };
    for (first, last) in [(0, 0), (3, 1500), (700, 701), (1999, 1999)] {
        let bucket = |place: usize| bucket_of(&keys[place]);
        let buckets = Buckets {
            first: bucket(first),
            last: bucket(last),
        };
        let within = |key: &&Key| buckets.contains(bucket_of(key));
        let expected: Vec<_> = keys.iter().filter(within).cloned().collect();
        assert!(expected.len() > last - first);
        let found = page(None, buckets);
        assert_eq!((names(&found), found.last), (expected.clone(), true));
        // Behind a key before, in and behind the buckets.
        assert_eq!(names(&page(Some(&expected[0]), buckets)), expected[1..]);
        if first > 0 && bucket(first - 1) < buckets.first {
            assert_eq!(names(&page(Some(&keys[first - 1]), buckets)), expected);
        }
        if buckets.last < bucket(1999) {
            let behind = page(keys.last(), buckets);
            assert!(behind.pairs.is_empty() && behind.last);
        }
    }
}

fn names(page: &Page) -> Vec<Key> {
    page.pairs.iter().map(|(key, _)| key.clone()).collect()
}

#[test]
fn a_batch_longer_than_a_segment_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Pairs::new();
    for round in 1..=3 {
        let directory = open(folder.path()).unwrap();
        let store = directory.store();
        for (count, version) in [(3, 1), (400, 2), (2, 3), (700, 4), (1, 5)] {
            let pairs = batch(0..count, round * 10 + version);
            commit(store, &pairs).unwrap();
            expected.extend(pairs);
        }
        assert_holds(store, &expected);
    }
    let large = key(5);
    let value = bytes::Bytes::from(vec![7; 1 << 20]);
    let large_pair = quorate_register::Pair::new(&large, pair(&large, 90).timestamp, Some(value));
    let directory = open(folder.path()).unwrap();
    commit(directory.store(), &[(large.clone(), large_pair.clone())]).unwrap();
    expected.insert(large, large_pair);
    drop(directory);
    assert_holds(open(folder.path()).unwrap().store(), &expected);
}

#[test]
fn keys_are_counted_once_however_often_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    for version in 1..=8 {
        let directory = open(folder.path()).unwrap();
        for start in (0..2000).step_by(50) {
            commit(directory.store(), &batch(start..start + 50, version)).unwrap();
        }
        let keys = directory.store().keys();
        assert!((1940..=2060).contains(&keys), "{keys}");
    }
    let directory = open(folder.path()).unwrap();
    let keys = directory.store().keys();
    assert!((1940..=2060).contains(&keys), "{keys}");
    let on_disk: u64 = crate::support::files_below(folder.path())
        .iter()
        .filter(|path| path.starts_with("log") || path.starts_with("table/tables"))
        .map(|path| fs::metadata(folder.path().join(path)).map_or(0, |file| file.len()))
        .sum();
    let counted = directory.store().disk_bytes();
    assert!(
        counted <= on_disk * 2 && on_disk <= counted * 2,
        "{counted} of {on_disk}"
    );
    assert_eq!(scan(directory.store(), 5000).unwrap().len(), 2000);
}

#[test]
fn a_directory_is_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path()).unwrap();
    let error = open(folder.path()).err().unwrap();
    assert!(
        matches!(error, OpenError::InUse { process: Some(id), .. } if id == std::process::id())
    );
    let path = folder.path().display();
    let id = std::process::id();
    assert_eq!(
        error.to_string(),
        format!("{path} is in use by process {id}")
    );
    drop(directory);
    open(folder.path()).unwrap();
}

#[test]
fn a_store_with_default_options_reads_what_one_with_small_ones_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Pairs::new();
    for (round, options) in [small(), Options::default(), small()].iter().enumerate() {
        let directory = DataDirectory::open(folder.path(), options, &Counting::from(1)).unwrap();
        assert_holds(directory.store(), &expected);
        for start in (0..600).step_by(20) {
            let pairs = batch(start..start + 20, round as u64 + 1);
            commit(directory.store(), &pairs).unwrap();
            expected.extend(pairs);
        }
        assert_holds(directory.store(), &expected);
    }
}
