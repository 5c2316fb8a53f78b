//! What happens while a sync takes its time, and after it failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_replica::Store;

use crate::failing::{EIO, ENOSPC, commit_until_failure, error, nth};
use crate::hooked::{Action, HookedFiles};
use crate::support::{Pairs, assert_holds, batch, commit, config, open, open_with, save_config};

/// What takes so long will never come.
const HANGING: Duration = Duration::from_secs(60);

/// The kernel takes pages whose sync failed for written. What is found in them after a restart
/// has to be written again, or the next power loss takes what was served.
#[test]
fn what_a_failed_sync_left_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    // Opening syncs the segment once, and the spare.
    let files = HookedFiles::new(nth(5, Action::Sync, ".log", EIO));
    let directory = open_with(files, folder.path()).unwrap();
    let (mut pairs, unknown, _) = commit_until_failure(directory.store());
    drop(directory);
    pairs.extend(unknown);

    let actions = Arc::new(Mutex::new(Vec::new()));
    let seen = actions.clone();
    let files = HookedFiles::new(move |action, path| {
        if path.ends_with("log/0000000001.log") {
            seen.lock().push(action);
        }
        Ok(())
    });
    let directory = open_with(files, folder.path()).unwrap();
    assert_holds(directory.store(), &pairs);
    assert_eq!(actions.lock()[..2], [Action::Write, Action::Sync]);
}

/// A pair that readers saw and a crash took could have completed a get.
#[test]
fn nothing_is_visible_before_it_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let (release, released) = std::sync::mpsc::channel();
    let (reach, reached) = std::sync::mpsc::channel();
    let released = Mutex::new(released);
    let slow = Arc::new(AtomicBool::new(false));
    let is_slow = slow.clone();
    let files = HookedFiles::new(move |action, path| {
        let file = path.ends_with("log/0000000001.log") || path.ends_with("config");
        if is_slow.load(Ordering::SeqCst) && action == Action::Sync && file {
            let _ = reach.send(());
            let _ = released.lock().recv();
        }
        Ok(())
    });
    let directory = open_with(files, folder.path()).unwrap();
    let store = directory.store();
    let before: Pairs = batch(0..5, 1).into_iter().collect();
    commit(store, &batch(0..5, 1)).unwrap();
    slow.store(true, Ordering::SeqCst);
    std::thread::scope(|scope| {
        // A failing test drops it, and so ends the waits.
        let release = release;
        let committer = scope.spawn(|| commit(store, &batch(0..9, 2)).unwrap());
        reached.recv_timeout(HANGING).unwrap();
        assert_holds(store, &before);
        release.send(()).unwrap();
        committer.join().unwrap();
        assert_holds(store, &batch(0..9, 2).into_iter().collect());
        let adopter = scope.spawn(|| save_config(store, &config(1)).unwrap());
        for _copy in 0..2 {
            reached.recv_timeout(HANGING).unwrap();
            assert_eq!(store.config(), None);
            release.send(()).unwrap();
        }
        adopter.join().unwrap();
        assert_eq!(store.config(), Some(config(1)));
    });
}

/// Commits that wait for the flusher, or are about to, hear of its failure.
#[test]
fn a_waiting_commit_hears_of_a_failure_in_the_background() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let (release, released) = std::sync::mpsc::channel();
    let (reach, reached) = std::sync::mpsc::channel();
    let released = parking_lot::Mutex::new(released);
    let created = AtomicU64::new(0);
    let files = HookedFiles::new(move |action, path| {
        let segment = path.extension().is_some_and(|extension| extension == "log");
        // The first spare is let through; the second is asked for when the first is in use.
        if action == Action::Create && segment && created.fetch_add(1, Ordering::Relaxed) > 0 {
            let _ = reach.send(());
            let _ = released.lock().recv();
            return Err(error(ENOSPC));
        }
        Ok(())
    });
    let directory = open_with(files, folder.path()).unwrap();
    std::thread::scope(|scope| {
        let release = release;
        let committer = scope.spawn(|| commit_until_failure(directory.store()));
        reached.recv_timeout(HANGING).unwrap();
        assert!(!committer.is_finished());
        release.send(()).unwrap();
        let (_, _, error) = committer.join().unwrap();
        assert!(error.to_string().contains("cannot set aside"), "{error}");
    });
}
