//! The agreed config in a ConfigMap.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use quorate_register::Config;

use super::access::ApiAccess;
use super::config_map::DocumentMap;
use crate::membership::{
    ConfigDocument, ConfigStore, ConfigStoreError, StoreVersion, StoredConfig, SwapOutcome,
};

/// The config store in one ConfigMap, which has a JSON document under `config.json`.
pub struct ConfigMapStore {
    map: DocumentMap,
}

impl ConfigMapStore {
    /// The store in the ConfigMap of this name; it gets `labels` when it is made.
    pub fn new(
        access: ApiAccess,
        name: impl Into<String>,
        labels: BTreeMap<String, String>,
    ) -> Self {
        let map = DocumentMap::new(access, name.into(), labels, "config.json", "config");
        Self { map }
    }
}

#[async_trait]
impl ConfigStore for ConfigMapStore {
    async fn read(&self) -> Result<Option<StoredConfig>, ConfigStoreError> {
        let Some((text, metadata)) = self.map.read().await? else {
            return Ok(None);
        };
        let document = ConfigDocument::parse(text.as_bytes());
        let document = document.map_err(|error| self.map.error(error))?;
        let config = document.config().map_err(|error| self.map.error(error))?;
        let version = self.map.version(metadata, document.sequence)?;
        Ok(Some(StoredConfig {
            config: Arc::new(config),
            active: document.active,
            version,
        }))
    }

    async fn create(&self, config: &Config) -> Result<SwapOutcome, ConfigStoreError> {
        let document = ConfigDocument::new(config, false, 1);
        self.map.create(document.to_json()).await
    }

    async fn swap(
        &self,
        version: &StoreVersion,
        config: &Config,
        active: bool,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        let next = |sequence| ConfigDocument::new(config, active, sequence).to_json();
        self.map.swap(version, next).await
    }
}
