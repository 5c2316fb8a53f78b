//! The boot counters in a ConfigMap.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::access::ApiAccess;
use super::config_map::DocumentMap;
use crate::membership::{
    BootCounters, BootDocument, BootEntries, ConfigStoreError, StoreVersion, StoredBoots,
    SwapOutcome,
};

/// The boot counters in one ConfigMap, apart from the config's, which has a JSON document under
/// `boots.json`. It lies in etcd, and so on no volume of a replica.
pub struct ConfigMapBootCounters {
    map: DocumentMap,
}

impl ConfigMapBootCounters {
    /// The counters in the ConfigMap of this name; it gets `labels` when it is made.
    pub fn new(
        access: ApiAccess,
        name: impl Into<String>,
        labels: BTreeMap<String, String>,
    ) -> Self {
        let map = DocumentMap::new(access, name.into(), labels, "boots.json", "boots");
        Self { map }
    }
}

#[async_trait]
impl BootCounters for ConfigMapBootCounters {
    async fn read(&self) -> Result<Option<StoredBoots>, ConfigStoreError> {
        let Some((text, metadata)) = self.map.read().await? else {
            return Ok(None);
        };
        let document = BootDocument::parse(text.as_bytes());
        let document = document.map_err(|error| self.map.error(error))?;
        let entries = document.entries().map_err(|error| self.map.error(error))?;
        let version = self.map.version(metadata, document.sequence)?;
        Ok(Some(StoredBoots { entries, version }))
    }

    async fn create(&self, entries: &BootEntries) -> Result<SwapOutcome, ConfigStoreError> {
        let document = BootDocument::new(entries, 1);
        self.map.create(document.to_json()).await
    }

    async fn swap(
        &self,
        version: &StoreVersion,
        entries: &BootEntries,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        let next = |sequence| BootDocument::new(entries, sequence).to_json();
        self.map.swap(version, next).await
    }
}
