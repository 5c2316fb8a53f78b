//! The store: commits through the log, reads from the table.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quorate_register::{DiskBoots, HeldConfig, Key, Page, PageRequest, Pair, ReplicaId};

use super::boot_file::BootFile;
use super::commit::Writer;
use super::config_file::ConfigFile;
use super::error::failed;
use super::lock::DirectoryLock;
use super::shared::{Shared, closed};
use super::{retirement, stored};
use crate::{Space, Store, StoreError};

/// The pairs and the config of a replica in a [data directory](super::DataDirectory).
///
/// Dropping it ends its threads and frees the directory; [`close`](Self::close) does the same
/// and tells whether it went well. Neither waits for the log to be brought into the table:
/// opening reads the log again.
pub struct DiskStore {
    path: PathBuf,
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Mutex<Writer>,
    config_file: Mutex<ConfigFile>,
    config: RwLock<Option<HeldConfig>>,
    boot_file: Mutex<BootFile>,
    boots: RwLock<DiskBoots>,
    replica_id: ReplicaId,
    workers: Mutex<Option<Vec<JoinHandle<()>>>>,
    // Freed last, when nothing of this store touches the directory any more.
    lock: Mutex<Option<DirectoryLock>>,
}

/// What opening a directory found.
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Writer,
    pub(super) config_file: ConfigFile,
    pub(super) config: Option<HeldConfig>,
    pub(super) boot_file: BootFile,
    pub(super) boots: DiskBoots,
    pub(super) replica_id: ReplicaId,
    pub(super) workers: Vec<JoinHandle<()>>,
    pub(super) lock: DirectoryLock,
}

impl DiskStore {
    pub(super) fn new(opened: Opened) -> Self {
        Self {
            path: opened.path,
            shared: opened.shared,
            writer: Mutex::new(opened.writer),
            config_file: Mutex::new(opened.config_file),
            config: RwLock::new(opened.config),
            boot_file: Mutex::new(opened.boot_file),
            boots: RwLock::new(opened.boots),
            replica_id: opened.replica_id,
            workers: Mutex::new(Some(opened.workers)),
            lock: Mutex::new(Some(opened.lock)),
        }
    }

    /// Where the store lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the background threads and every later commit. Nothing that was committed depends
    /// on it; the next start is as fast as after a crash, and knows better what was synced.
    ///
    /// # Errors
    /// When the end of the log could not be recorded.
    pub fn close(&self) -> Result<(), StoreError> {
        let Some(workers) = self.workers.lock().take() else {
            return Ok(());
        };
        self.shared.close();
        for worker in workers {
            // A panic was recorded as the store's failure.
            let _ = worker.join();
        }
        let writer = self.writer.lock();
        self.shared.failure.check()?;
        let settled = writer.watermark.settle(writer.mark());
        self.shared.failure.record(closed());
        settled.map_err(|error| failed("write", writer.watermark.path(), &error))
    }

    /// Ends the store, as [`close`](Self::close) does, and frees the directory for whoever
    /// opens it next, though others still hold this store.
    pub(crate) fn release(&self) {
        if let Err(error) = self.close() {
            tracing::warn!(path = %self.path.display(), %error, "the store did not close well");
        }
        *self.lock.lock() = None;
    }
}

impl Store for DiskStore {
    fn read(&self, key: &Key) -> Result<Option<Pair>, StoreError> {
        let stored = self.shared.table.get(key)?;
        stored.map(|stored| self.decode(key, &stored)).transpose()
    }

    fn scan(&self, request: &PageRequest) -> Result<Page, StoreError> {
        let mut page = Page::default();
        let mut page_bytes = 0;
        for entry in self
            .shared
            .table
            .after(request.after.as_ref(), request.buckets)
        {
            let (key, stored) = entry?;
            let pair = self.decode(&key, &stored)?;
            page_bytes += key.bytes().len() + pair.value.as_ref().map_or(0, Bytes::len);
            if page_bytes > request.max_bytes && !page.pairs.is_empty() {
                return Ok(page);
            }
            page.pairs.push((key, pair));
        }
        page.last = true;
        Ok(page)
    }

    async fn commit(&self, pairs: &[(Key, Pair)]) -> Result<(), StoreError> {
        self.commit_now(pairs)
    }

    fn config(&self) -> Option<HeldConfig> {
        self.config.read().clone()
    }

    async fn save_config(&self, config: &HeldConfig) -> Result<(), StoreError> {
        let mut file = self.config_file.lock();
        self.shared.failure.check()?;
        file.save(config)
            .map_err(|error| self.shared.fail(failed("save", file.path(), &error)))?;
        *self.config.write() = Some(config.clone());
        Ok(())
    }

    fn boots(&self) -> DiskBoots {
        self.boots.read().clone()
    }

    async fn save_boots(&self, boots: &DiskBoots) -> Result<(), StoreError> {
        let mut file = self.boot_file.lock();
        self.shared.failure.check()?;
        file.save(boots)
            .map_err(|error| self.shared.fail(failed("save", file.path(), &error)))?;
        *self.boots.write() = boots.clone();
        Ok(())
    }

    async fn mark_retired(&self) -> Result<(), StoreError> {
        self.shared.failure.check()?;
        retirement::mark(&*self.shared.files, &self.path, self.replica_id).map_err(|error| {
            self.shared
                .fail(failed("mark as retired", &self.path, &error))
        })
    }

    fn space(&self) -> Result<Space, StoreError> {
        let space = rustix::fs::statvfs(&self.path)
            .map_err(|error| failed("ask for the free space of", &self.path, &error.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
        Ok(Space {
            free_bytes: bytes(space.f_bavail),
            capacity_bytes: bytes(space.f_blocks),
        })
    }

    fn sync_duration(&self) -> Duration {
        Duration::from_nanos(self.shared.sync_nanos.load(Ordering::Relaxed))
    }

    fn keys(&self) -> u64 {
        self.shared.keys.lock().estimate()
    }

    fn disk_bytes(&self) -> u64 {
        self.shared.table.disk_bytes() + self.shared.log_bytes.load(Ordering::Relaxed)
    }
}

impl DiskStore {
    fn decode(&self, key: &Key, stored: &Bytes) -> Result<Pair, StoreError> {
        stored::decode(key, stored).map_err(|problem| self.corrupt(&format!("{key:?}"), problem))
    }

    fn corrupt(&self, what: &str, problem: impl std::fmt::Display) -> StoreError {
        StoreError::Corrupt {
            problem: format!("{} in {}: {problem}", what, self.path.display()),
        }
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(path = %self.path.display(), %error, "the store did not close well");
        }
    }
}
