//! Random histories against a map.

use std::sync::atomic::{AtomicBool, Ordering};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use quorate_replica::Store;
use quorate_replica::disk::DiskStore;

use crate::support::{
    Pairs, assert_holds, batch, commit, config, key, open, pair, save_config, scan,
};

#[derive(Debug, Clone)]
enum Step {
    /// These keys get new pairs, in one batch.
    Commit(Vec<u64>),
    /// So many batches of so many keys, to fill segments and files.
    Fill {
        batches: u64,
        keys: u64,
    },
    SaveConfig(u64),
    Close,
    Drop,
}

fn any_step() -> impl Strategy<Value = Step> {
    let keys = btree_map(0..60u64, Just(()), 1..20);
    prop_oneof![
        6 => keys.prop_map(|keys| Step::Commit(keys.into_keys().collect())),
        2 => (1..30u64, 1..40u64).prop_map(|(batches, keys)| Step::Fill { batches, keys }),
        1 => (1..1000u64).prop_map(Step::SaveConfig),
        1 => Just(Step::Close),
        1 => Just(Step::Drop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_store_is_a_map_that_survives(steps in vec(any_step(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let mut directory = open(folder.path()).unwrap();
        let mut expected = Pairs::new();
        let mut expected_config = None;
        let mut version = 0;
        for step in steps {
            let store = directory.store();
            match step {
                Step::Commit(keys) => {
                    version += 1;
                    let pairs = batch(keys, version);
                    commit(store, &pairs).unwrap();
                    for (key, pair) in &pairs {
                        let read = store.read(key).unwrap();
                        prop_assert_eq!(read.as_ref(), Some(pair));
                    }
                    expected.extend(pairs);
                }
                Step::Fill { batches, keys } => {
                    for start in 0..batches {
                        version += 1;
                        let pairs = batch(start * 3..start * 3 + keys, version);
                        commit(store, &pairs).unwrap();
                        expected.extend(pairs);
                    }
                }
                Step::SaveConfig(number) => {
                    save_config(store, &config(number)).unwrap();
                    expected_config = Some(config(number));
                }
                Step::Close => {
                    store.close().unwrap();
                    drop(directory);
                    directory = open(folder.path()).unwrap();
                    assert_holds(directory.store(), &expected);
                }
                Step::Drop => {
                    drop(directory);
                    directory = open(folder.path()).unwrap();
                    assert_holds(directory.store(), &expected);
                }
            }
            prop_assert_eq!(directory.store().config(), expected_config.clone());
        }
        assert_holds(directory.store(), &expected);
    }
}

/// Says so when it is dropped, also by a panic.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads in turn and by pages until the writer is done; no key's version may go back.
fn read_until(done: &AtomicBool, store: &DiskStore) -> u64 {
    let mut versions = vec![0; 200];
    let mut reads = 0;
    while !done.load(Ordering::Relaxed) {
        let number = reads % 200;
        let read = store.read(&key(number)).unwrap().unwrap();
        let version = read.timestamp.counter;
        assert_eq!(read, pair(&key(number), version));
        assert!(version >= versions[number as usize]);
        versions[number as usize] = version;
        reads += 1;
        if reads.is_multiple_of(500) {
            for (number, pair) in scan(store, 4000).unwrap().values().enumerate() {
                assert!(pair.timestamp.counter >= versions[number]);
                versions[number] = pair.timestamp.counter;
            }
        }
    }
    reads
}

/// Flushes and merges happen all the time, and readers run beside them.
#[test]
fn readers_never_see_a_pair_go_back_while_files_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path()).unwrap();
    let store = directory.store();
    let batch_of = |version: u64| {
        let first = version * 13 % 170;
        batch(first..first + 30, version)
    };
    let mut expected: Pairs = batch(0..200, 1).into_iter().collect();
    commit(store, &batch(0..200, 1)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writing = Done(&done);
        let reader = scope.spawn(|| read_until(&done, store));
        for version in 2..=400 {
            commit(store, &batch_of(version)).unwrap();
            expected.extend(batch_of(version));
        }
        drop(writing);
        assert!(reader.join().unwrap() > 0);
    });
    assert_holds(store, &expected);
    drop(directory);
    assert_holds(open(folder.path()).unwrap().store(), &expected);
}
