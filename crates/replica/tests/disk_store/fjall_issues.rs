//! Two faults that fjall had, whose tree this store is built on: they must not be ours.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use futures::future::{join, join_all};
use parking_lot::Mutex;
use prometheus::Registry;
use quorate_register::{Config, Fence, Key, Member, Pair, Replica, Write};
use quorate_replica::disk::{DataDirectory, DiskStore};
use quorate_replica::{LocalReplica, ReplicaMetrics, ReplicaOptions};

use crate::failing::{EIO, error};
use crate::hooked::{Action, HookedFiles};
use crate::support::{
    Counting, Pairs, assert_holds, batch, commit, copy_directory, open, open_with, scan,
};

/// What takes so long will never come.
const HANGING: Duration = Duration::from_secs(60);

/// Issue 257: killed while as many full memtables as may wait were waiting, fjall would wait for
/// their flush for ever after the restart.
#[test]
fn writes_go_on_after_a_kill_with_all_memtables_full() {
    let folder = tempfile::tempdir().unwrap();
    let (running, killed) = (folder.path().join("running"), folder.path().join("killed"));
    let mut pairs = fill_and_kill(&running, &killed);

    let directory = open(&killed).unwrap();
    assert_holds(directory.store(), &pairs);
    let (progress, done) = mpsc::channel();
    // Not scoped: a test that fails does not wait for it.
    let writer = thread::spawn(move || {
        for version in 10_000..10_600 {
            let batch = batch(version % 90..version % 90 + 8, version);
            commit(directory.store(), &batch).unwrap();
            progress.send(batch).unwrap();
        }
        directory
    });
    for _ in 0..600 {
        pairs.extend(done.recv_timeout(HANGING).expect("writes go on"));
    }
    assert_holds(writer.join().unwrap().store(), &pairs);
}

/// Commits until as many memtables wait for their flush as may, and copies the directory as a kill
/// would leave it.
fn fill_and_kill(running: &Path, killed: &Path) -> Pairs {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let stuck = Arc::new(AtomicBool::new(false));
    let is_stuck = stuck.clone();
    // Nothing that was flushed is recorded.
    let files = HookedFiles::new(move |action, path| {
        let recorded = action == Action::Write && path.ends_with("checkpoint");
        if recorded && is_stuck.load(Ordering::SeqCst) {
            let _ = released.lock().recv();
            return Err(error(EIO));
        }
        Ok(())
    });
    let directory = open_with(files, running).unwrap();
    // Dropped before the store, whose end waits for it.
    let release = release;
    stuck.store(true, Ordering::SeqCst);
    let mut pairs = Pairs::new();
    // Two segments are full then, and another one nearly.
    for version in 1.. {
        if used_bytes(&running.join("log/0000000003.log")) > 5_000 {
            break;
        }
        let batch = batch(version % 90..version % 90 + 8, version);
        commit(directory.store(), &batch).unwrap();
        pairs.extend(batch);
    }
    copy_directory(running, killed);
    assert!(killed.join("log/0000000001.log").exists());
    drop(release);
    pairs
}

/// How much of a segment is written to; none if it is not there yet.
fn used_bytes(segment: &Path) -> usize {
    let contents = fs::read(segment).unwrap_or_default();
    let last = contents.iter().rposition(|&byte| byte != 0);
    last.map_or(0, |last| last + 1)
}

/// Issue 304: a batch that could not be written to the journal was published all the same, and the
/// next sync that worked said that it was durable.
#[test]
fn no_write_of_a_batch_whose_sync_failed_is_acknowledged_or_seen() {
    const LIMIT: Duration = Duration::from_secs(10);
    let folder = tempfile::tempdir().unwrap();
    let failing = Arc::new(AtomicBool::new(false));
    let fails = failing.clone();
    let files = HookedFiles::new(move |action, path| {
        let log = path.ends_with("log/0000000001.log");
        // Once: what is synced later works.
        match log && action == Action::Sync && fails.swap(false, Ordering::SeqCst) {
            true => Err(error(EIO)),
            false => Ok(()),
        }
    });
    let directory = open_with(files, folder.path()).unwrap();
    // Both fit into the first segment.
    let (before, after) = (batch(0..24, 1), batch(0..24, 2));
    let failed = block_on(async {
        let (replica, fence, committing) = serve(&directory);
        let operations = async {
            let config = Arc::new(config_of(&directory));
            let own = directory.replica_id();
            replica.adopt(own, &config, true, LIMIT).await.unwrap();
            let write = |(key, pair): &(Key, Pair)| {
                let (key, pair) = (key.clone(), pair.clone());
                let origin = fence.epoch;
                let write = Write { key, pair, origin };
                let (replica, fence) = (replica.clone(), fence);
                async move { replica.local_write(&fence, &write, LIMIT).await }
            };
            let written = join_all(before.iter().map(write)).await;
            assert!(written.iter().all(Result::is_ok), "{written:?}");
            failing.store(true, Ordering::SeqCst);
            let unwritten = join_all(after.iter().map(write)).await;
            assert!(unwritten.iter().all(Result::is_err), "{unwritten:?}");
            assert!(!failing.load(Ordering::SeqCst));
            // Its sync would work.
            assert!(write(&after[0]).await.is_err());
            drop(replica);
        };
        join(operations, committing).await.1
    });
    assert!(failed.is_err());
    let before: Pairs = before.into_iter().collect();
    assert_holds(directory.store(), &before);
    assert!(directory.store().close().is_err());
    drop(directory);

    let directory = open(folder.path()).unwrap();
    let found = scan(directory.store(), 1000).unwrap();
    let after: Pairs = after.into_iter().collect();
    assert!(found == before || found == after);
}

/// A config with this disk as its only member; the same each time.
fn config_of(directory: &DataDirectory) -> Config {
    let member = Member {
        replica_id: directory.replica_id(),
        pod: "replica-0".into(),
    };
    Config::first(vec![member], &Counting::from(1)).unwrap()
}

/// A replica over the directory's store, the fence of requests to it, and its committer.
fn serve(
    directory: &DataDirectory,
) -> (
    LocalReplica<Arc<DiskStore>>,
    Fence,
    impl Future<Output = Result<quorate_replica::Ended, quorate_replica::StoreError>> + use<>,
) {
    let own = directory.replica_id();
    let metrics = ReplicaMetrics::new(&Registry::new(), "replica-0").unwrap();
    let options = ReplicaOptions::new(own, "replica-0");
    let (replica, committer) = LocalReplica::new(directory.store().clone(), options, metrics);
    let fence = Fence::new(&config_of(directory), own);
    (replica, fence, committer.run())
}
