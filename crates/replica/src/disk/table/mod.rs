//! The table: all pairs in the order of their buckets and keys, in memory and in immutable sorted files.
//!
//! This is the log-structured merge tree of the crate `lsm-tree`, without anything of its own
//! that is durable at once: it has no log. A batch goes into the *memtable*; a full memtable is
//! *sealed*, later *flushed* to a file; *compaction* merges files. Flushed and merged files are
//! synced before the manifest that names them, and that before the files they replace go.
//!
//! Each version of a key carries the number of the log frame that it came with, so the newest
//! number in the files says how much of the log they cover. Readers take the newest version:
//! each is durable by the log before it comes here. Older ones are dropped at every
//! opportunity. A key lies here behind the two bytes of its bucket, big-endian. Nothing is ever removed here: a delete is a stored tombstone.
//!
//! A flush writes large pairs to *blob files*, and to the sorted file only where they lie; so
//! merges copy a few bytes in their place. See [`blobs`].

mod archive;
mod blobs;
mod manifest;
mod stop;

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use lsm_tree::compaction::Leveled;
use lsm_tree::{
    AbstractTree, AnyTree, Cache, DescriptorTable, Guard, SeqNo, SequenceNumberCounter,
};
use quorate_register::{Buckets, Key, bucket_of};

use self::stop::{StopFilter, StopFlag};
use super::error::{BackgroundError, failed};
use super::{OpenError, Options};
use crate::StoreError;

/// Reads see, and merges keep, the newest version of each key only.
const NEWEST: SeqNo = SeqNo::MAX;

/// The open table.
pub(super) struct Table {
    path: PathBuf,
    tree: AnyTree,
    strategy: Arc<Leveled>,
    stop: StopFlag,
}

impl Table {
    /// Creates an empty table in a folder that does not exist; durable when it returns.
    pub(super) fn create(path: &Path, options: &Options) -> Result<(), OpenError> {
        let counter = SequenceNumberCounter::default();
        lsm_tree::Config::new(path, counter.clone(), counter)
            .with_kv_separation(Some(blobs::separation(options)))
            .open()
            .map_err(|error| opening(path, error))?;
        let parent = path.parent().unwrap_or(path);
        std::fs::File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| OpenError::io("sync", parent, error))
    }

    /// Opens a table that exists, in `minimum_version` at least.
    pub(super) fn open(
        path: &Path,
        minimum_version: u64,
        options: &Options,
    ) -> Result<Self, OpenError> {
        let version = manifest::check(path)?;
        if version < minimum_version {
            let problem = format!("the table has version {version}, and had {minimum_version}");
            return Err(OpenError::lost(path, problem));
        }
        let stop = StopFlag::default();
        let open_files = DescriptorTable::new(options.open_table_files.max(10));
        // The tree numbers its own versions with these; the pairs' come from the log.
        let counter = SequenceNumberCounter::default();
        let tree = lsm_tree::Config::new(path, counter.clone(), counter)
            .use_cache(Arc::new(Cache::with_capacity_bytes(options.cache_bytes)))
            .use_descriptor_table(Some(Arc::new(open_files)))
            .with_kv_separation(Some(blobs::separation(options)))
            .with_compaction_filter_factory(Some(Arc::new(StopFilter(stop.clone()))))
            .open()
            .map_err(|error| opening(path, error))?;
        let strategy = Leveled::default().with_table_target_size(options.table_file_bytes);
        Ok(Self {
            path: path.to_owned(),
            tree,
            strategy: Arc::new(strategy),
            stop,
        })
    }

    /// The newest stored pair of a key.
    pub(super) fn get(&self, key: &Key) -> Result<Option<Bytes>, StoreError> {
        let stored = self.tree.get(place(key), NEWEST);
        let stored = stored.map_err(|error| self.reading(&error))?;
        Ok(stored.map(Bytes::from))
    }

    /// The keys of these buckets behind `after`, or all, in order, with their newest stored
    /// pairs.
    pub(super) fn after(
        &self,
        after: Option<&Key>,
        buckets: Buckets,
    ) -> impl Iterator<Item = Result<(Key, Bytes), StoreError>> {
        let behind = after.filter(|key| bucket_of(key) >= buckets.first);
        let start = match behind {
            Some(key) => Bound::Excluded(place(key)),
            None => Bound::Included(buckets.first.to_be_bytes().to_vec()),
        };
        let end = match buckets.last.checked_add(1) {
            Some(next) => Bound::Excluded(next.to_be_bytes().to_vec()),
            None => Bound::Unbounded,
        };
        // A range that ends before it begins has no keys, and must not be asked for.
        let empty = behind.is_some_and(|key| bucket_of(key) > buckets.last);
        let range = (!empty).then(|| self.tree.range::<Vec<u8>, _>((start, end), NEWEST, None));
        range.into_iter().flatten().map(|entry| {
            let (key, stored) = entry.into_inner().map_err(|error| self.reading(&error))?;
            Ok((self.key(&Bytes::from(key))?, Bytes::from(stored)))
        })
    }

    /// The key that lies at this place.
    fn key(&self, place: &Bytes) -> Result<Key, StoreError> {
        let corrupt = || StoreError::Corrupt {
            problem: format!("a key in {} is not in its bucket", self.path.display()),
        };
        let (bucket, key) = place.split_at_checked(BUCKET_BYTES).ok_or_else(corrupt)?;
        let key = Key::new(place.slice_ref(key)).map_err(|_| corrupt())?;
        match bucket == bucket_of(&key).to_be_bytes() {
            true => Ok(key),
            false => Err(corrupt()),
        }
    }

    /// Makes a pair visible, which came with frame `lsn`.
    pub(super) fn insert(&self, key: &Key, stored: Bytes, lsn: u64) {
        self.tree.insert(place(key), stored, lsn);
    }

    /// Seals the memtable and begins an empty one. Only whoever inserts may call this.
    pub(super) fn seal(&self) {
        self.tree.rotate_memtable();
    }

    /// Writes all sealed memtables to files; durable when it returns.
    pub(super) fn flush(&self) -> Result<(), BackgroundError> {
        let lock = self.tree.get_flush_lock();
        let flushed = self.tree.flush(&lock, NEWEST);
        flushed.map_err(|error| self.writing("flush", &error))?;
        self.sync_blob_names()
    }

    /// Merges some files if there are too many; returns whether that changed anything.
    pub(super) fn compact(&self) -> Result<bool, BackgroundError> {
        let before = self.version()?;
        let compacted = self.tree.compact(self.strategy.clone(), NEWEST);
        compacted.map_err(|error| self.writing("compact", &error))?;
        let changed = self.version()? != before;
        if changed {
            self.sync_blob_names()?;
        }
        Ok(changed)
    }

    /// `lsm-tree` syncs its blob files, and not their folder.
    fn sync_blob_names(&self) -> Result<(), BackgroundError> {
        let folder = self.path.join(blobs::FOLDER);
        std::fs::File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| BackgroundError::new("sync", &folder, &error))
    }

    /// Lets a running and each later [`compact`](Self::compact) fail soon.
    pub(super) fn stop_compaction(&self) {
        self.stop.set();
    }

    /// The version of the files in force.
    pub(super) fn version(&self) -> Result<u64, StoreError> {
        manifest::version(&self.path)
            .map_err(|error| failed("read", &self.path.join("current"), &error))
    }

    /// The last frame whose pairs are in the files; 0 without files.
    pub(super) fn lsn_in_files(&self) -> u64 {
        self.tree.get_highest_persisted_seqno().unwrap_or(0)
    }

    /// How much memory the pairs in the memtable take, in bytes, approximately.
    pub(super) fn memtable_bytes(&self) -> u64 {
        self.tree.active_memtable().size()
    }

    /// How many files, or groups of them, a read of any key may have to look into before those
    /// that are sorted as a whole.
    pub(super) fn unsorted_runs(&self) -> usize {
        self.tree.l0_run_count()
    }

    /// The length of all files, in bytes.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.tree.disk_space()
    }

    /// A failed read. When the process or machine lacks something, it may work after a
    /// restart; everything else means that what was written cannot be had again.
    fn reading(&self, error: &lsm_tree::Error) -> StoreError {
        let problem = format!("cannot read {}: {error}", self.path.display());
        match error {
            lsm_tree::Error::Io(error) if is_shortage(error) => StoreError::Failed { problem },
            _ => StoreError::Corrupt { problem },
        }
    }

    fn writing(&self, action: &str, error: &lsm_tree::Error) -> BackgroundError {
        match error {
            lsm_tree::Error::Io(error) => BackgroundError::new(action, &self.path, error),
            other => StoreError::Failed {
                problem: format!("cannot {action} {}: {other}", self.path.display()),
            }
            .into(),
        }
    }
}

/// How many bytes name the bucket.
const BUCKET_BYTES: usize = 2;

/// Where a key lies.
fn place(key: &Key) -> Vec<u8> {
    let mut place = Vec::with_capacity(BUCKET_BYTES + key.bytes().len());
    place.extend(bucket_of(key).to_be_bytes());
    place.extend(key.bytes());
    place
}

/// Whether the system is out of memory or open files.
fn is_shortage(error: &std::io::Error) -> bool {
    let shortages = [
        rustix::io::Errno::MFILE,
        rustix::io::Errno::NFILE,
        rustix::io::Errno::NOMEM,
    ];
    let code = error.raw_os_error();
    shortages.iter().any(|s| code == Some(s.raw_os_error()))
}

fn opening(path: &Path, error: lsm_tree::Error) -> OpenError {
    match error {
        lsm_tree::Error::Io(error) => OpenError::reading(path, error),
        other => OpenError::lost(path, other.to_string()),
    }
}
