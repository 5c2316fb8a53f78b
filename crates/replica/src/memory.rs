//! A store in memory that loses what a crash would take, for simulations and tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{DiskBoots, HeldConfig, Key, Page, PageRequest, Pair, bucket_of};

use crate::{Space, Store, StoreError};

/// The disk under a [`MemoryStore`]: it outlives the store, as a disk outlives a process.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    /// In the order of scans.
    pairs: BTreeMap<(u16, Key), Pair>,
    config: Option<HeldConfig>,
    boots: DiskBoots,
    retired: bool,
    sync_duration: Duration,
    publish_duration: Duration,
    free_bytes: Option<u64>,
    failure: Option<StoreError>,
}

impl MemoryDisk {
    /// How long each sync takes from now on.
    pub fn set_sync_duration(&self, duration: Duration) {
        self.contents.lock().sync_duration = duration;
    }

    /// How long a commit goes on from now on after its pairs became visible.
    pub fn set_publish_duration(&self, duration: Duration) {
        self.contents.lock().publish_duration = duration;
    }

    /// What the file system claims to have left from now on.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.contents.lock().free_bytes = Some(bytes);
    }

    /// The next sync fails so, and with it what it was to make durable.
    pub fn fail_next_sync(&self, failure: StoreError) {
        self.contents.lock().failure = Some(failure);
    }

    /// Changes what lies on the disk under a key, behind the store's back.
    pub fn corrupt(&self, key: &Key, change: impl FnOnce(&mut Pair)) {
        if let Some(pair) = self.contents.lock().pairs.get_mut(&place(key)) {
            change(pair);
        }
    }

    /// Everything on it, in the order of scans.
    pub fn pairs(&self) -> Vec<(Key, Pair)> {
        let contents = self.contents.lock();
        let pairs = contents.pairs.iter();
        pairs
            .map(|((_, key), pair)| (key.clone(), pair.clone()))
            .collect()
    }

    /// Forgets all pairs, as a wiped disk has; config and boots stay unless `config_too`.
    pub fn wipe(&self, config_too: bool) {
        let mut contents = self.contents.lock();
        contents.pairs.clear();
        if config_too {
            contents.config = None;
            contents.boots = DiskBoots::default();
            contents.retired = false;
        }
    }

    /// Whether the disk is at its end: it must be wiped and get a new id before it is served.
    pub fn is_retired(&self) -> bool {
        self.contents.lock().retired
    }

    /// Everything durable on it, as a copy of the volume has.
    pub fn copy(&self) -> DiskCopy {
        let contents = self.contents.lock();
        DiskCopy {
            pairs: contents.pairs.clone(),
            config: contents.config.clone(),
            boots: contents.boots.clone(),
        }
    }

    /// Puts what a copy has in the place of everything on it.
    pub fn restore(&self, copy: DiskCopy) {
        let mut contents = self.contents.lock();
        contents.pairs = copy.pairs;
        contents.config = copy.config;
        contents.boots = copy.boots;
        contents.retired = false;
    }
}

/// A copy of a disk, taken at some time.
#[derive(Debug, Clone)]
pub struct DiskCopy {
    pairs: BTreeMap<(u16, Key), Pair>,
    config: Option<HeldConfig>,
    boots: DiskBoots,
}

/// One process's access to a [`MemoryDisk`].
///
/// What is not synced lives in this value only: dropping the store in the middle of a commit
/// is a crash that loses it.
#[derive(Debug)]
pub struct MemoryStore {
    disk: Arc<MemoryDisk>,
    /// What a commit has written and not yet synced.
    unsynced: Mutex<BTreeMap<Key, Pair>>,
}

impl MemoryStore {
    /// Opens the disk.
    pub fn open(disk: Arc<MemoryDisk>) -> Self {
        Self {
            disk,
            unsynced: Mutex::default(),
        }
    }

    async fn sync(&self) -> Result<(), StoreError> {
        let duration = self.disk.contents.lock().sync_duration;
        if !duration.is_zero() {
            tokio::time::sleep(duration).await;
        }
        match self.disk.contents.lock().failure.take() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }
}

impl Store for MemoryStore {
    fn read(&self, key: &Key) -> Result<Option<Pair>, StoreError> {
        if active(Mutation::ReadUnsynced)
            && let Some(pair) = self.unsynced.lock().get(key)
        {
            return Ok(Some(pair.clone()));
        }
        let pair = self.disk.contents.lock().pairs.get(&place(key)).cloned();
        pair.map(|pair| verified(key, pair)).transpose()
    }

    fn scan(&self, request: &PageRequest) -> Result<Page, StoreError> {
        let contents = self.disk.contents.lock();
        let buckets = request.buckets;
        let after = request.after.as_ref().map(place);
        let behind = after.filter(|(bucket, _)| *bucket >= buckets.first);
        let smallest = || Key::new(vec![0]).expect("one byte is a key");
        let first = || Bound::Included((buckets.first, smallest()));
        let start = behind.map_or_else(first, Bound::Excluded);
        let mut page = Page::default();
        let mut bytes = 0;
        let pairs = contents.pairs.range((start, Bound::Unbounded));
        for ((_, key), pair) in pairs.take_while(|((bucket, _), _)| *bucket <= buckets.last) {
            if bytes >= request.max_bytes && !page.pairs.is_empty() {
                return Ok(page);
            }
            bytes += key.bytes().len() + pair.value.as_ref().map_or(0, |value| value.len());
            page.pairs.push((key.clone(), verified(key, pair.clone())?));
        }
        page.last = true;
        Ok(page)
    }

    async fn commit(&self, pairs: &[(Key, Pair)]) -> Result<(), StoreError> {
        self.unsynced.lock().extend(pairs.iter().cloned());
        self.sync().await?;
        let synced = std::mem::take(&mut *self.unsynced.lock());
        let synced = synced.into_iter().map(|(key, pair)| (place(&key), pair));
        self.disk.contents.lock().pairs.extend(synced);
        // Readers see the pairs some time before the committer goes on.
        let publish_duration = self.disk.contents.lock().publish_duration;
        if !publish_duration.is_zero() {
            tokio::time::sleep(publish_duration).await;
        }
        Ok(())
    }

    fn config(&self) -> Option<HeldConfig> {
        self.disk.contents.lock().config.clone()
    }

    async fn save_config(&self, config: &HeldConfig) -> Result<(), StoreError> {
        self.sync().await?;
        self.disk.contents.lock().config = Some(config.clone());
        Ok(())
    }

    fn boots(&self) -> DiskBoots {
        self.disk.contents.lock().boots.clone()
    }

    async fn save_boots(&self, boots: &DiskBoots) -> Result<(), StoreError> {
        self.sync().await?;
        self.disk.contents.lock().boots = boots.clone();
        Ok(())
    }

    async fn mark_retired(&self) -> Result<(), StoreError> {
        self.sync().await?;
        self.disk.contents.lock().retired = true;
        Ok(())
    }

    fn space(&self) -> Result<Space, StoreError> {
        Ok(Space {
            free_bytes: self.disk.contents.lock().free_bytes.unwrap_or(u64::MAX),
            capacity_bytes: u64::MAX,
        })
    }

    fn sync_duration(&self) -> Duration {
        self.disk.contents.lock().sync_duration
    }

    fn keys(&self) -> u64 {
        self.disk.contents.lock().pairs.len() as u64
    }

    fn disk_bytes(&self) -> u64 {
        let contents = self.disk.contents.lock();
        let value = |pair: &Pair| pair.value.as_ref().map_or(0, |value| value.len());
        let bytes = |((_, key), pair): (&(u16, Key), &Pair)| key.bytes().len() + value(pair);
        contents.pairs.iter().map(bytes).sum::<usize>() as u64
    }
}

/// Where a pair lies.
fn place(key: &Key) -> (u16, Key) {
    (bucket_of(key), key.clone())
}

fn verified(key: &Key, pair: Pair) -> Result<Pair, StoreError> {
    pair.verify(key).map_err(|mismatch| StoreError::Corrupt {
        problem: format!("a pair in memory: {mismatch}"),
    })?;
    Ok(pair)
}
