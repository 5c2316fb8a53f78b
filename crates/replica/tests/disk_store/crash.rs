//! The power goes at a random moment, and takes what was not synced, or part of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_register::{HeldConfig, Key, Pair};
use quorate_replica::Store;
use quorate_replica::disk::{DataDirectory, DiskStore, Files, OpenError, SystemFiles};

use crate::hooked::{Action, HookedFiles};
use crate::support::{
    Counting, Pairs, Random, assert_holds, batch, commit, config, open, open_with, save_config,
    scan, small,
};
use crate::volatile::VolatileFiles;

/// What a crash does to the unsynced sectors and names.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// All are lost: the page cache never reached the disk.
    Everything,
    /// None: only the process was killed.
    Nothing,
    /// Each or not.
    Some,
}

fn lose(files: &VolatileFiles, loss: Loss, random: &mut Random) {
    files.lose(|| match loss {
        Loss::Everything => false,
        Loss::Nothing => true,
        Loss::Some => random.below(2) == 0,
    });
}

fn any_loss(random: &mut Random) -> Loss {
    [Loss::Everything, Loss::Nothing, Loss::Some][random.below(3) as usize]
}

/// What is known of a store: what it acknowledged, and the one batch and config that it may have
/// kept without saying so.
#[derive(Default)]
struct Known {
    pairs: Pairs,
    config: Option<HeldConfig>,
    version: u64,
    unknown_pairs: Vec<(Key, Pair)>,
    unknown_config: Option<HeldConfig>,
}

impl Known {
    /// Commits and saves until the power goes.
    fn work(&mut self, store: &DiskStore, random: &mut Random) {
        loop {
            self.version += 1;
            if random.below(10) == 0 {
                let new = config(self.version);
                self.unknown_config = Some(new.clone());
                if save_config(store, &new).is_err() {
                    return;
                }
                assert_eq!(store.config(), Some(new));
                self.config = self.unknown_config.take();
            }
            let first = random.below(100);
            self.unknown_pairs = batch(first..=first + random.below(12), self.version);
            if commit(store, &self.unknown_pairs).is_err() {
                return;
            }
            self.pairs.extend(self.unknown_pairs.drain(..));
        }
    }

    /// All that was acknowledged is there; the rest as a whole or not at all.
    fn check(&mut self, store: &DiskStore, context: &str) {
        let found = scan(store, 1000).unwrap();
        if found != self.pairs {
            self.pairs.extend(self.unknown_pairs.drain(..));
            assert_eq!(found, self.pairs, "{context}");
        }
        self.unknown_pairs.clear();
        assert_holds(store, &self.pairs);
        if store.config() != self.config {
            assert!(self.unknown_config.is_some(), "{context}");
            self.config = self.unknown_config.take();
            assert_eq!(store.config(), self.config, "{context}");
        }
        self.unknown_config = None;
    }
}

#[test]
fn what_was_acknowledged_survives_every_crash_and_batches_are_whole() {
    let seeds: u64 = std::env::var("QUORATE_TEST_SEEDS").map_or(12, |n| n.parse().unwrap());
    let mut crashes_while_opening = 0;
    let segments = Arc::new(Segments::default());
    for seed in 0..seeds {
        let mut random = Random(seed);
        let folder = tempfile::tempdir().unwrap();
        let mut known = Known::default();
        for round in 0..25 {
            let context = format!("seed {seed}, round {round}");
            let files = VolatileFiles::default();
            files.crash_after(random.below(250));
            let counted = segments.counted(&files);
            match open_with(counted, folder.path()) {
                Ok(directory) => {
                    known.check(directory.store(), &context);
                    known.work(directory.store(), &mut random);
                }
                Err(error) => {
                    assert!(matches!(error, OpenError::Io { .. }), "{context}: {error}");
                    crashes_while_opening += 1;
                }
            }
            files.crash();
            lose(&files, any_loss(&mut random), &mut random);
        }
        let directory = open(folder.path()).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        known.check(directory.store(), &format!("seed {seed}"));
        assert!(known.pairs.len() > 50, "seed {seed} did not get far");
    }
    assert!(crashes_while_opening > 0);
    // Segments were set aside in either way.
    let allocated = segments.allocated.load(Ordering::Relaxed);
    let with_zeros = segments.created.load(Ordering::Relaxed) - allocated;
    assert!(allocated > seeds, "{allocated}");
    assert!(with_zeros > seeds, "{with_zeros}");
}

/// How many segments were begun, and how many of them without zeros.
#[derive(Default)]
struct Segments {
    created: AtomicU64,
    allocated: AtomicU64,
}

impl Segments {
    fn counted(self: &Arc<Self>, files: &VolatileFiles) -> Arc<HookedFiles> {
        let this = self.clone();
        HookedFiles::over(Arc::new(files.clone()), move |action, path| {
            if path.extension().is_some_and(|extension| extension == "log") {
                match action {
                    Action::Create => this.created.fetch_add(1, Ordering::Relaxed),
                    Action::Allocate => this.allocated.fetch_add(1, Ordering::Relaxed),
                    _ => 0,
                };
            }
            Ok(())
        })
    }
}

#[test]
fn a_crash_while_initialising_leaves_nothing_or_everything() {
    let (mut complete, mut incomplete) = (0, 0);
    // Until the crash comes too late.
    for operations in 0.. {
        let mut ended = true;
        for seed in 0..5 {
            let loss = [Loss::Everything, Loss::Nothing, Loss::Some][seed.min(2) as usize];
            if crash_while_initialising(operations, loss, seed) {
                complete += 1;
            } else {
                incomplete += 1;
                ended = false;
            }
        }
        if ended {
            break;
        }
    }
    assert!(complete >= 5 && incomplete > 100, "{complete} {incomplete}");
}

/// Whether the initialisation ended before the crash.
fn crash_while_initialising(operations: u64, loss: Loss, seed: u64) -> bool {
    let context = format!("{loss:?} after {operations} operations, seed {seed}");
    let folder = tempfile::tempdir().unwrap();
    let files = VolatileFiles::default();
    files.crash_after(operations);
    let first = Counting::from(1000);
    let first = open_as(Arc::new(files.clone()), folder.path(), &first);
    files.crash();
    let seen = first.map(|directory| directory.replica_id());
    lose(&files, loss, &mut Random(seed * 1000 + operations));
    let second = Counting::from(2000);
    let again = open_as(Arc::new(SystemFiles), folder.path(), &second);
    let again = again.unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_holds(again.store(), &Pairs::new());
    // An id that anybody saw stays.
    if let Ok(replica_id) = &seen {
        assert_eq!(again.replica_id(), *replica_id, "{context}");
    }
    seen.is_ok()
}

fn open_as(
    files: Arc<dyn Files>,
    path: &Path,
    entropy: &Counting,
) -> Result<DataDirectory, OpenError> {
    DataDirectory::open_with(files, path, &small(), entropy)
}
