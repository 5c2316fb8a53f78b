//! The config store in a file, for stores outside Kubernetes.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use quorate_register::Config;

use super::document::{ConfigDocument, InvalidDocument};
use super::document_file::{Document, DocumentFile};
use super::{ConfigStore, ConfigStoreError, StoreVersion, StoredConfig, SwapOutcome};

/// A JSON file that is replaced as a whole: written beside, synced, renamed. A lock file beside
/// it makes the comparison and the swap one step among all processes on this machine.
#[derive(Debug, Clone)]
pub struct FileConfigStore {
    file: DocumentFile,
}

impl FileConfigStore {
    /// The store in the file at `path`, which need not exist yet; its folder must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let file = DocumentFile::new(path);
        Self { file }
    }
}

impl Document for ConfigDocument {
    fn sequence(&self) -> u64 {
        self.sequence
    }

    fn to_json(&self) -> Vec<u8> {
        ConfigDocument::to_json(self)
    }

    fn parse(bytes: &[u8]) -> Result<Self, InvalidDocument> {
        ConfigDocument::parse(bytes)
    }
}

#[async_trait]
impl ConfigStore for FileConfigStore {
    async fn read(&self) -> Result<Option<StoredConfig>, ConfigStoreError> {
        let Some((document, version)) = self.file.read::<ConfigDocument>().await? else {
            return Ok(None);
        };
        let config = document.config();
        Ok(Some(StoredConfig {
            config: Arc::new(config.map_err(|error| self.file.invalid(&error))?),
            active: document.active,
            version,
        }))
    }

    async fn create(&self, config: &Config) -> Result<SwapOutcome, ConfigStoreError> {
        let document = ConfigDocument::new(config, false, 1);
        self.file.create(document).await
    }

    async fn swap(
        &self,
        expected: &StoreVersion,
        config: &Config,
        active: bool,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        let config = config.clone();
        let next = move |sequence| ConfigDocument::new(&config, active, sequence);
        self.file.swap(expected, next).await
    }
}
