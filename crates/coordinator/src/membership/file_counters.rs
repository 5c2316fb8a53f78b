//! The boot counters in a file, for stores outside Kubernetes.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::boot_document::BootDocument;
use super::document::InvalidDocument;
use super::document_file::{Document, DocumentFile, beside};
use super::{BootCounters, BootEntries, ConfigStoreError, StoreVersion, StoredBoots, SwapOutcome};

/// The boot counters in a file that changes as that of a
/// [`FileConfigStore`](super::FileConfigStore).
#[derive(Debug, Clone)]
pub struct FileBootCounters {
    file: DocumentFile,
}

impl FileBootCounters {
    /// The counters in the file at `path`, which need not exist yet; its folder must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let file = DocumentFile::new(path);
        Self { file }
    }

    /// The counters beside the config file at `path`, whose name they have with `.boots`.
    pub fn beside(path: &Path) -> Self {
        Self::new(beside(path, "boots"))
    }
}

impl Document for BootDocument {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn to_json(&self) -> Vec<u8> {
        BootDocument::to_json(self)
    }

    fn parse(bytes: &[u8]) -> Result<Self, InvalidDocument> {
        BootDocument::parse(bytes)
    }
}

#[async_trait]
impl BootCounters for FileBootCounters {
    async fn read(&self) -> Result<Option<StoredBoots>, ConfigStoreError> {
        let Some((document, version)) = self.file.read::<BootDocument>().await? else {
            return Ok(None);
        };
        let entries = document.entries();
        let entries = entries.map_err(|error| self.file.invalid(&error))?;
        Ok(Some(StoredBoots { entries, version }))
    }

    async fn create(&self, entries: &BootEntries) -> Result<SwapOutcome, ConfigStoreError> {
        self.file.create(BootDocument::new(entries, 1)).await
    }

    async fn swap(
        &self,
        version: &StoreVersion,
        entries: &BootEntries,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        let entries = entries.clone();
        let next = move |sequence| BootDocument::new(&entries, sequence);
        self.file.swap(version, next).await
    }
}
