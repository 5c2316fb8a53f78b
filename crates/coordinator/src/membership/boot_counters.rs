//! Where the boots of all disks are counted, apart from the disks.

use std::collections::BTreeMap;

use async_trait::async_trait;
use quorate_register::{Boot, ReplicaId};

use super::{ConfigStoreError, StoreVersion, SwapOutcome};

/// The last boot of a disk that was counted, and so may be admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootEntry {
    /// The boot.
    pub boot: Boot,
    /// The volume that the disk was on, if that was known.
    pub volume: Option<String>,
}

/// The entries of all disks.
pub type BootEntries = BTreeMap<ReplicaId, BootEntry>;

/// The content of the boot counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBoots {
    /// The last boot of each disk.
    pub entries: BootEntries,
    /// The version to swap.
    pub version: StoreVersion,
}

/// The boot counters: one object that changes by compare-and-swap only, as a
/// [`ConfigStore`](super::ConfigStore) does, and another object than that. It must not lie on a
/// volume of a replica: what restores those must not restore it (PROTOCOL 5).
///
/// After a failed write the outcome is unknown: read again.
#[async_trait]
pub trait BootCounters: Send + Sync {
    /// The content now; `None` when nobody ever created it, or somebody deleted it.
    ///
    /// # Errors
    /// When the counters cannot be read, or are something else.
    async fn read(&self) -> Result<Option<StoredBoots>, ConfigStoreError>;

    /// Creates the content; [`SwapOutcome::Conflict`] when there is one.
    ///
    /// # Errors
    /// When the outcome is unknown.
    async fn create(&self, entries: &BootEntries) -> Result<SwapOutcome, ConfigStoreError>;

    /// Replaces exactly the content with this `version`.
    ///
    /// # Errors
    /// When the outcome is unknown.
    async fn swap(
        &self,
        version: &StoreVersion,
        entries: &BootEntries,
    ) -> Result<SwapOutcome, ConfigStoreError>;
}
