//! What a replica needs of its disk.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use quorate_register::{DiskBoots, HeldConfig, Key, Page, PageRequest, Pair};

/// Why the disk did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// What lies on the disk is not what was written: the disk counts as lost. It is never
    /// read as "no such key" (PROTOCOL rule "corruption is a lost disk").
    #[error("{problem}")]
    Corrupt {
        /// File and finding.
        problem: String,
    },
    /// A write or a sync failed. What reached the disk is unknown and a second sync would
    /// not tell, so the process ends and reads its disk again when it starts.
    #[error("{problem}")]
    Failed {
        /// What was tried, and what the operating system said.
        problem: String,
    },
}

/// What a file system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Bytes in all.
    pub capacity_bytes: u64,
}

/// The pairs and the config of one replica.
///
/// One committer at a time calls [`commit`](Self::commit) and
/// [`save_config`](Self::save_config); any number of readers run beside it. A pair or config
/// becomes visible to readers only once it is durable: a read that returned what a crash
/// then takes away could have completed a get (PROTOCOL rule "reads see durable state only").
///
/// The futures exist for simulations, where time passes in them; a disk's block the thread.
pub trait Store: Send + Sync + 'static {
    /// The durable pair of `key`; `None` if there never was one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when its checksum does not match.
    fn read(&self, key: &Key) -> Result<Option<Pair>, StoreError>;

    /// A page of all durable pairs, in the order of
    /// [`scan_order`](quorate_register::scan_order).
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a checksum does not match.
    fn scan(&self, request: &PageRequest) -> Result<Page, StoreError>;

    /// Makes these pairs durable, all or none, then visible. They replace what their keys had;
    /// no key is listed twice.
    ///
    /// # Errors
    /// Any error is fatal.
    fn commit(&self, pairs: &[(Key, Pair)]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The durable config; `None` on a disk that never held one.
    fn config(&self) -> Option<HeldConfig>;

    /// Makes the config durable, then visible. Its space was set aside when the disk was
    /// initialised, so that a full disk does not keep a replica from adopting.
    ///
    /// # Errors
    /// Any error is fatal.
    fn save_config(
        &self,
        config: &HeldConfig,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The boots that are counted on the disk, durably.
    fn boots(&self) -> DiskBoots;

    /// Makes the boots durable, then visible, in space that was set aside like the config's.
    ///
    /// # Errors
    /// Any error is fatal.
    fn save_boots(&self, boots: &DiskBoots) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Marks the disk as at its end, durably: whoever opens it next wipes it first and gives
    /// it a new id. Nothing else is changed; the caller no longer serves what lies there.
    ///
    /// # Errors
    /// Any error is fatal.
    fn mark_retired(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What the file system has for this store.
    ///
    /// # Errors
    /// When the file system does not say.
    fn space(&self) -> Result<Space, StoreError>;

    /// How long the latest commit took to write and sync its batch, without what it took to make
    /// the pairs visible.
    fn sync_duration(&self) -> Duration;

    /// How many keys there are, tombstones included, approximately.
    fn keys(&self) -> u64;

    /// How many bytes the store takes on disk, approximately.
    fn disk_bytes(&self) -> u64;
}

impl<S: Store> Store for Arc<S> {
    fn read(&self, key: &Key) -> Result<Option<Pair>, StoreError> {
        (**self).read(key)
    }

    fn scan(&self, request: &PageRequest) -> Result<Page, StoreError> {
        (**self).scan(request)
    }

    fn commit(&self, pairs: &[(Key, Pair)]) -> impl Future<Output = Result<(), StoreError>> + Send {
        (**self).commit(pairs)
    }

    fn config(&self) -> Option<HeldConfig> {
        (**self).config()
    }

    fn save_config(
        &self,
        config: &HeldConfig,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        (**self).save_config(config)
    }

    fn boots(&self) -> DiskBoots {
        (**self).boots()
    }

    fn save_boots(&self, boots: &DiskBoots) -> impl Future<Output = Result<(), StoreError>> + Send {
        (**self).save_boots(boots)
    }

    fn mark_retired(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        (**self).mark_retired()
    }

    fn space(&self) -> Result<Space, StoreError> {
        (**self).space()
    }

    fn sync_duration(&self) -> Duration {
        (**self).sync_duration()
    }

    fn keys(&self) -> u64 {
        (**self).keys()
    }

    fn disk_bytes(&self) -> u64 {
        (**self).disk_bytes()
    }
}
