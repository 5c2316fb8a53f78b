//! Disks that are retired and wiped, with a crash at each step.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures::executor::block_on;
use quorate_register::{Boot, BootNonce, DiskBoots, ReplicaId};
use quorate_replica::Store;
use quorate_replica::disk::{DataDirectory, OpenError};

use crate::support::{
    Counting, Pairs, Random, assert_holds, batch, commit, config, copy_directory, open,
    save_config, small,
};
use crate::volatile::VolatileFiles;

fn boots(number: u64) -> DiskBoots {
    let boot = |number| Boot {
        number,
        nonce: BootNonce::from_bytes([7; 16]),
    };
    DiskBoots {
        admitted: Some(boot(number)),
        intent: Some(boot(number + 1)),
        volume: Some("claim".into()),
    }
}

/// A disk that served: pairs, a config and a boot.
fn used(path: &Path) -> (ReplicaId, Pairs) {
    let directory = open(path).unwrap();
    let pairs = batch(0..20, 1);
    commit(directory.store(), &pairs).unwrap();
    save_config(directory.store(), &config(1)).unwrap();
    block_on(directory.store().save_boots(&boots(3))).unwrap();
    (directory.replica_id(), pairs.into_iter().collect())
}

fn again(files: &VolatileFiles, path: &Path) -> Result<DataDirectory, OpenError> {
    let entropy = Counting::from(1000);
    DataDirectory::open_with(Arc::new(files.clone()), path, &small(), &entropy)
}

fn assert_virgin(directory: &DataDirectory, context: &str) {
    let store = directory.store();
    assert_eq!(store.config(), None, "{context}");
    assert_eq!(store.boots(), DiskBoots::default(), "{context}");
    assert_holds(store, &Pairs::new());
}

#[test]
fn boots_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    used(folder.path());
    assert_eq!(open(folder.path()).unwrap().store().boots(), boots(3));
}

#[test]
fn a_retired_disk_comes_back_empty_with_a_new_id() {
    let folder = tempfile::tempdir().unwrap();
    let (old, _) = used(folder.path());
    block_on(open(folder.path()).unwrap().store().mark_retired()).unwrap();
    let directory = again(&VolatileFiles::default(), folder.path()).unwrap();
    assert_ne!(directory.replica_id(), old);
    assert_virgin(&directory, "after the end");
    let new = directory.replica_id();
    drop(directory);
    assert_eq!(open(folder.path()).unwrap().replica_id(), new, "only once");
}

#[test]
fn the_marker_of_another_disk_and_a_torn_one_mean_nothing() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (id, pairs) = used(folder.path());
    let other_disk = again(&VolatileFiles::default(), other.path()).unwrap();
    assert_ne!(other_disk.replica_id(), id);
    block_on(other_disk.store().mark_retired()).unwrap();
    let marker = fs::read(other.path().join("retired")).unwrap();
    for bytes in [&marker[..], &[], &marker[..10]] {
        fs::write(folder.path().join("retired"), bytes).unwrap();
        let directory = open(folder.path()).unwrap();
        assert_eq!(directory.replica_id(), id);
        assert_holds(directory.store(), &pairs);
        drop(directory);
    }
    // One whose making was cut short is made when the replica is retired again.
    block_on(open(folder.path()).unwrap().store().mark_retired()).unwrap();
    let directory = again(&VolatileFiles::default(), folder.path()).unwrap();
    assert_virgin(&directory, "marked over a torn marker");
}

/// The power goes after each operation of marking, wiping and initialising. Afterwards the disk
/// is what it was, unless it was said to be retired, or it is another and empty; never
/// something between.
#[test]
fn a_crash_at_each_step_leaves_the_old_disk_or_a_new_one() {
    let sample = tempfile::tempdir().unwrap();
    let (old, pairs) = used(sample.path());
    let (mut kept, mut replaced) = (0, 0);
    for operations in 0.. {
        let mut finished = false;
        for seed in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("disk");
            copy_directory(sample.path(), &path);
            let context = format!("after {operations} operations, seed {seed}");
            let files = VolatileFiles::default();
            let directory = again(&files, &path).unwrap();
            files.crash_after(operations);
            let told = block_on(directory.store().mark_retired()).is_ok();
            drop(directory);
            finished = told && again(&files, &path).is_ok();
            files.crash();
            let mut random = Random(seed);
            files.lose(|| match seed {
                0 => false,
                1 => true,
                _ => random.below(2) == 0,
            });
            let directory = again(&VolatileFiles::default(), &path);
            let directory = directory.unwrap_or_else(|error| panic!("{context}: {error}"));
            if directory.replica_id() == old {
                assert!(!told, "{context}: it was said to be retired");
                assert_holds(directory.store(), &pairs);
                kept += 1;
            } else {
                assert_virgin(&directory, &context);
                replaced += 1;
            }
        }
        if finished {
            break;
        }
    }
    assert!(
        kept > 4 && replaced > 40,
        "{kept} kept, {replaced} replaced"
    );
}
