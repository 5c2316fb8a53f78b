//! A directory to damage, and a look at what became of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_register::HeldConfig;
use quorate_replica::Store;

use crate::hooked::{Action, HookedFiles};
use crate::support::{
    Pairs, batch, commit, config, copy_directory, open, open_with, open_without_syncs, save_config,
    scan,
};

/// A directory with something in every kind of file, as a kill leaves it.
pub(crate) struct Sample {
    folder: tempfile::TempDir,
    pairs: Pairs,
    config: HeldConfig,
}

pub(crate) fn sample() -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    let mut pairs = Pairs::new();
    let mut version = 0;
    let mut write = |store: &quorate_replica::disk::DiskStore, batches: u64| {
        for _ in 0..batches {
            version += 1;
            let new = batch((0..12).map(|n| (n * 17 + version * 5) % 300), version);
            commit(store, &new).unwrap();
            pairs.extend(new);
        }
    };
    let directory = open(&live).unwrap();
    write(directory.store(), 150);
    save_config(directory.store(), &config(1)).unwrap();
    save_config(directory.store(), &config(2)).unwrap();
    drop(directory);
    // The flusher stays at its second segment, and what is sealed stays in the log.
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (reach, reached) = std::sync::mpsc::channel();
    let released = parking_lot::Mutex::new(released);
    let created = AtomicU64::new(0);
    let announced = Arc::new(AtomicU64::new(0));
    let segments = announced.clone();
    let files = HookedFiles::new(move |action, path| {
        let segment = path.extension().is_some_and(|extension| extension == "log");
        if action == Action::Create && segment && created.fetch_add(1, Ordering::Relaxed) > 0 {
            let _ = reach.send(());
            let _ = released.lock().recv();
        }
        if action == Action::Sync && path.ends_with("watermark") {
            segments.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    let directory = open_with(files, &live).unwrap();
    // Dropped before the directory, whose flusher waits for it.
    let release = release;
    // Opening syncs the watermark once; the second time, the next segment is in use.
    for _ in 0..100 {
        if announced.load(Ordering::Relaxed) == 2 {
            break;
        }
        write(directory.store(), 1);
    }
    write(directory.store(), 2);
    reached.recv().unwrap();
    copy_directory(&live, &folder.path().join("killed"));
    drop(release);
    drop(directory);
    Sample {
        folder,
        pairs,
        config: config(2),
    }
}

/// What became of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// The directory was not opened.
    Refused,
    /// Some reads failed, all others were exact.
    Noticed,
    /// Everything was exact.
    Harmless,
}

impl Sample {
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("killed")
    }

    /// Damages a copy, and compares all that can be read with what was acknowledged.
    pub(crate) fn damaged(&self, context: &str, damage: impl FnOnce(&Path)) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        copy_directory(&self.path(), &path);
        damage(&path);
        let first = self.look(&path, context);
        if first == Outcome::Refused {
            // Nor may the next attempt find it sound, or take it for a new disk.
            assert_eq!(self.look(&path, context), Outcome::Refused, "{context}");
        }
        first
    }

    fn look(&self, path: &Path, context: &str) -> Outcome {
        let Ok(directory) = open_without_syncs(path) else {
            return Outcome::Refused;
        };
        let store = directory.store();
        assert_eq!(store.config().as_ref(), Some(&self.config), "{context}");
        let mut noticed = false;
        for (key, pair) in &self.pairs {
            match store.read(key) {
                Ok(read) => assert_eq!(read.as_ref(), Some(pair), "{context}"),
                Err(_) => noticed = true,
            }
        }
        match scan(store, 1000) {
            Ok(pairs) => assert_eq!(pairs, self.pairs, "{context}"),
            Err(_) => noticed = true,
        }
        if noticed {
            Outcome::Noticed
        } else {
            Outcome::Harmless
        }
    }
}

/// `identity`, `log`, `table/tables`, `table/v`, … : the kind of file a path is.
pub(crate) fn kind(path: &Path) -> String {
    let text = path.to_str().unwrap();
    for folder in ["table/tables", "table/blobs"] {
        if path.starts_with(folder) {
            return folder.to_owned();
        }
    }
    let text = text.trim_end_matches(|c: char| c.is_ascii_digit());
    if text.starts_with("log/") {
        return "log".to_owned();
    }
    text.to_owned()
}

pub(crate) fn length(sample: &Sample, file: &Path) -> u64 {
    fs::metadata(sample.path().join(file)).unwrap().len()
}

/// Flips one bit of a file.
pub(crate) fn flip(file: &Path, offset: u64, bit: u64) {
    let mut bytes = fs::read(file).unwrap();
    bytes[offset as usize] ^= 1 << bit;
    fs::write(file, bytes).unwrap();
}
