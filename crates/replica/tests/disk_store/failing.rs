//! Writes and syncs that fail, and full disks.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use quorate_replica::{Store, StoreError};

use crate::hooked::{Action, HookedFiles};
use crate::support::{
    Pairs, assert_holds, batch, commit, config, open, open_with, save_config, scan,
};

pub(crate) const EIO: i32 = 5;
pub(crate) const ENOSPC: i32 = 28;

pub(crate) fn error(code: i32) -> io::Error {
    io::Error::from_raw_os_error(code)
}

/// Commits until a commit fails; returns what was acknowledged, the failing batch, and the
/// failure.
pub(crate) fn commit_until_failure(
    store: &quorate_replica::disk::DiskStore,
) -> (Pairs, Pairs, StoreError) {
    let mut acknowledged = Pairs::new();
    for version in 1..5000 {
        let pairs = batch(version % 90..version % 90 + 8, version);
        if let Err(error) = commit(store, &pairs) {
            return (acknowledged, pairs.into_iter().collect(), error);
        }
        acknowledged.extend(pairs);
    }
    panic!("no commit failed");
}

fn is_failed(result: Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Failed { .. }))
}

/// After a failure nothing is written any more, what was acknowledged is read, and a restart
/// has it; the batch that failed is there as a whole or not at all.
fn check_failure(
    fail: impl Fn(Action, &std::path::Path) -> io::Result<()> + Send + Sync + 'static,
) {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let failed_path = Arc::new(Mutex::new(None::<PathBuf>));
    let returned = Arc::new(AtomicBool::new(false));
    let written_after = Arc::new(AtomicU64::new(0));
    let files = {
        let failed_path = failed_path.clone();
        let (returned, written_after) = (returned.clone(), written_after.clone());
        HookedFiles::new(move |action, path| {
            let mut failed_path = failed_path.lock();
            // A background thread may end what it began in other files.
            let written = failed_path.as_deref() == Some(path) || path.ends_with("watermark");
            if returned.load(Ordering::SeqCst) && written {
                written_after.fetch_add(1, Ordering::SeqCst);
            }
            fail(action, path).inspect_err(|_| *failed_path = Some(path.to_owned()))
        })
    };
    let directory = open_with(files, folder.path()).unwrap();
    let store = directory.store();
    let (acknowledged, unknown, error) = commit_until_failure(store);
    assert!(matches!(error, StoreError::Failed { .. }), "{error}");
    returned.store(true, Ordering::SeqCst);
    assert!(is_failed(commit(store, &batch([1], 9999))));
    assert!(is_failed(save_config(store, &config(1))));
    assert_holds(store, &acknowledged);
    assert!(store.close().is_err());
    drop(directory);
    let path = failed_path.lock().take().unwrap();
    let after = written_after.load(Ordering::SeqCst);
    assert_eq!(after, 0, "{} was written to after: {error}", path.display());

    let directory = open(folder.path()).unwrap();
    let found = scan(directory.store(), 1000).unwrap();
    let mut with_unknown = acknowledged.clone();
    with_unknown.extend(unknown);
    assert!(
        found == acknowledged || found == with_unknown,
        "after {error}"
    );
}

/// Fails the `nth` such operation on such a file, and everything behind it of that kind.
pub(crate) fn nth(
    nth: u64,
    action: Action,
    part: &'static str,
    code: i32,
) -> impl Fn(Action, &std::path::Path) -> io::Result<()> + Send + Sync + 'static {
    let count = AtomicU64::new(0);
    move |found, path| {
        let affected = found == action && path.to_string_lossy().contains(part);
        if affected && count.fetch_add(1, Ordering::Relaxed) == nth {
            return Err(error(code));
        }
        Ok(())
    }
}

#[test]
fn a_failed_sync_of_the_log_ends_the_store() {
    // The first syncs are those of opening and of the first spare segment.
    for failing in [2, 3, 4, 20, 50, 101] {
        check_failure(nth(failing, Action::Sync, ".log", EIO));
    }
}

#[test]
fn a_full_disk_ends_the_store() {
    for failing in [2, 3, 10, 50, 99] {
        check_failure(nth(failing, Action::Write, ".log", ENOSPC));
    }
}

#[test]
fn every_other_file_ends_the_store_too() {
    check_failure(nth(7, Action::Write, "watermark", EIO));
    // The first is that of opening.
    check_failure(nth(1, Action::Sync, "watermark", EIO));
    check_failure(nth(3, Action::Create, ".log", ENOSPC));
    check_failure(nth(1, Action::Allocate, ".log", ENOSPC));
    check_failure(nth(2, Action::SyncDirectory, "log", EIO));
    // Opening writes and syncs both copies.
    check_failure(nth(2, Action::Write, "checkpoint", ENOSPC));
    check_failure(nth(3, Action::Sync, "checkpoint", EIO));
    check_failure(nth(1, Action::Remove, ".log", EIO));
}

#[test]
fn a_table_that_cannot_be_written_to_ends_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path()).unwrap();
    let store = directory.store();
    let tables = folder.path().join("table/tables");
    let hidden = folder.path().join("table/hidden");
    std::fs::rename(&tables, &hidden).unwrap();
    let (acknowledged, _, error) = commit_until_failure(store);
    assert!(error.to_string().contains("cannot flush"), "{error}");
    assert_eq!(scan(store, 1000).unwrap(), acknowledged);
}

#[test]
fn a_config_that_cannot_be_saved_ends_the_store_and_is_not_seen() {
    for failing in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let directory = open(folder.path()).unwrap();
        save_config(directory.store(), &config(1)).unwrap();
        drop(directory);
        let action = [Action::Write, Action::Sync][failing as usize % 2];
        // Opening writes and syncs both copies, too.
        let files = HookedFiles::new(nth(2 + failing / 2, action, "config", EIO));
        let directory = open_with(files, folder.path()).unwrap();
        let store = directory.store();
        assert!(is_failed(save_config(store, &config(2))));
        assert_eq!(store.config(), Some(config(1)));
        assert!(is_failed(commit(store, &batch([1], 1))));
        drop(directory);
        let held = open(folder.path()).unwrap().store().config();
        assert!([Some(config(1)), Some(config(2))].contains(&held));
    }
}

/// A disk that fills up behind the store's back, as its threads notice.
#[test]
fn on_a_full_disk_reads_and_configs_go_on_until_the_log_needs_space() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let files = HookedFiles::new(|action, path| match action {
        Action::Create if path.extension().is_some_and(|e| e == "log") => Err(error(ENOSPC)),
        _ => Ok(()),
    });
    let directory = open_with(files, folder.path()).unwrap();
    let store = directory.store();
    commit(store, &batch(0..3, 1)).unwrap();
    save_config(store, &config(1)).unwrap();
    assert_eq!(store.config(), Some(config(1)));
    let (acknowledged, _, error) = commit_until_failure(store);
    assert!(error.to_string().contains("cannot set aside"), "{error}");
    assert!(!acknowledged.is_empty());
    assert!(is_failed(save_config(store, &config(2))));
    for (key, pair) in &acknowledged {
        assert_eq!(store.read(key).unwrap().as_ref(), Some(pair));
    }
}

/// A full disk does not keep a replica from adopting: no byte is allocated for it.
#[test]
fn a_config_is_saved_in_the_space_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let directory = open(folder.path()).unwrap();
    let path = folder.path().join("config");
    let blocks = || std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(&path).unwrap());
    let before = blocks();
    assert!(before * 512 >= 256 << 10);
    save_config(directory.store(), &config(1)).unwrap();
    assert_eq!(blocks(), before);
}
