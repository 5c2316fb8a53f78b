//! What the tests share: a small store, pairs, and a comparison with what ought to be there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::executor::block_on;
use quorate_register::{
    Buckets, Config, Entropy, HeldConfig, Key, Member, OpId, PageRequest, Pair, ReplicaId,
    Timestamp, scan_order,
};
use quorate_replica::disk::{DataDirectory, DiskStore, Files, OpenError, Options, SystemFiles};
use quorate_replica::{Store, StoreError};

use crate::volatile::VolatileFiles;

/// What a store ought to hold.
pub(crate) type Pairs = BTreeMap<Key, Pair>;

/// Counts instead of drawing.
pub(crate) struct Counting(AtomicU64);

impl Counting {
    pub(crate) const fn from(first: u64) -> Self {
        Self(AtomicU64::new(first))
    }
}

impl Entropy for Counting {
    fn bits(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed)) << 64 | 0x5eed
    }
}

/// splitmix64: a few random numbers from a seed that a failing test can print.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// So small that a few hundred pairs fill segments, and merges happen.
pub(crate) fn small() -> Options {
    Options {
        cache_bytes: 256 << 10,
        segment_bytes: 8 << 10,
        long_frame_bytes: 500,
        memtable_bytes: 64 << 10,
        sealed_segments: 2,
        table_file_bytes: 16 << 10,
        separated_bytes: 80,
        blob_file_bytes: 16 << 10,
        open_table_files: 16,
    }
}

pub(crate) fn open(path: &Path) -> Result<DataDirectory, OpenError> {
    open_with(Arc::new(SystemFiles), path)
}

/// Over files whose syncs cost nothing, for tests that open very often and need none.
pub(crate) fn open_without_syncs(path: &Path) -> Result<DataDirectory, OpenError> {
    open_with(Arc::new(VolatileFiles::default()), path)
}

pub(crate) fn open_with(files: Arc<dyn Files>, path: &Path) -> Result<DataDirectory, OpenError> {
    DataDirectory::open_with(files, path, &small(), &Counting::from(7))
}

pub(crate) fn key(number: u64) -> Key {
    Key::new(format!("key-{number:05}")).unwrap()
}

/// The pair of a key's `version`th write; every seventh is a tombstone.
pub(crate) fn pair(key: &Key, version: u64) -> Pair {
    let timestamp = Timestamp {
        counter: version,
        op_id: OpId::from_bytes([3; 16]),
        ..Timestamp::ZERO
    };
    let value = Bytes::from(format!("{version}:").repeat(1 + version as usize % 20));
    Pair::new(
        key,
        timestamp,
        (!version.is_multiple_of(7)).then_some(value),
    )
}

/// A batch with one new pair for each of these keys.
pub(crate) fn batch(keys: impl IntoIterator<Item = u64>, version: u64) -> Vec<(Key, Pair)> {
    let entry = |number| {
        let key = key(number);
        let pair = pair(&key, version);
        (key, pair)
    };
    keys.into_iter().map(entry).collect()
}

pub(crate) fn commit(store: &DiskStore, pairs: &[(Key, Pair)]) -> Result<(), StoreError> {
    block_on(store.commit(pairs))
}

pub(crate) fn save_config(store: &DiskStore, config: &HeldConfig) -> Result<(), StoreError> {
    block_on(store.save_config(config))
}

/// Some config; each number gives another.
pub(crate) fn config(number: u64) -> HeldConfig {
    let member = Member {
        replica_id: ReplicaId::from_bytes([9; 16]),
        pod: format!("replica-{number}"),
    };
    let config = Config::first(vec![member], &Counting::from(number)).unwrap();
    HeldConfig {
        config: Arc::new(config),
        active: number.is_multiple_of(2),
    }
}

/// All pairs, page by page.
pub(crate) fn scan(store: &DiskStore, max_bytes: usize) -> Result<Pairs, StoreError> {
    let mut pairs = Pairs::new();
    let mut after = None;
    loop {
        let page = store.scan(&PageRequest {
            after: after.clone(),
            buckets: Buckets::ALL,
            max_bytes,
        })?;
        assert!(page.last || !page.pairs.is_empty());
        let mut last = after;
        after = page.pairs.last().map(|(key, _)| key.clone());
        for (key, pair) in page.pairs {
            assert!(last.is_none_or(|last| scan_order(&last, &key).is_lt()));
            last = Some(key.clone());
            pairs.insert(key, pair);
        }
        if page.last {
            return Ok(pairs);
        }
    }
}

/// The store holds exactly this, whichever way one looks.
pub(crate) fn assert_holds(store: &DiskStore, expected: &Pairs) {
    assert_eq!(&scan(store, 1000).unwrap(), expected);
    for (key, pair) in expected {
        assert_eq!(store.read(key).unwrap().as_ref(), Some(pair));
    }
    assert_eq!(store.read(&key(99_999)).unwrap(), None);
}

/// Copies a folder, of a store that may still merge its files: until nothing changed meanwhile.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    for _ in 0..1000 {
        let before = listing(from);
        let copied = try_copy(from, to);
        if copied.is_ok() && before == listing(from) {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
    panic!("{} never comes to rest", from.display());
}

/// Name, length and time of change of each file that is there now.
fn listing(folder: &Path) -> Option<Vec<(std::path::PathBuf, u64, std::time::SystemTime)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        let metadata = path.metadata().ok()?;
        if metadata.is_dir() {
            found.extend(listing(&path)?);
        } else {
            found.push((path, metadata.len(), metadata.modified().ok()?));
        }
    }
    found.sort();
    Some(found)
}

fn try_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            try_copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// All files below a folder, relative to it, sorted.
pub(crate) fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.metadata().is_ok_and(|metadata| metadata.len() > 0) {
                // A merge that has only begun leaves a file without contents.
                found.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
