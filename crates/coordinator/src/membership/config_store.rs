//! Where the sequence of configs lies.

use async_trait::async_trait;
use std::sync::Arc;

use quorate_register::Config;

/// What the store had when it was read, as opaque to us as the resourceVersion and uid of a
/// Kubernetes object. A swap names the version it acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreVersion(pub String);

/// The content of the store.
#[derive(Debug, Clone)]
pub struct StoredConfig {
    /// The latest config.
    pub config: Arc<Config>,
    /// Whether somebody recorded it as proven active. The proof itself is at the replicas.
    pub active: bool,
    /// The version to swap.
    pub version: StoreVersion,
}

/// How a compare-and-swap ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SwapOutcome {
    /// The store has the new content.
    Swapped(StoreVersion),
    /// Somebody else came first: read again.
    Conflict,
}

/// Why the store did not answer. After a failed write the outcome is unknown: read again, and
/// look for one's own config there or among its ancestors.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{problem}")]
pub struct ConfigStoreError {
    /// What was tried and what went wrong.
    pub problem: String,
}

/// One object that changes by compare-and-swap only: a file, or a ConfigMap.
#[async_trait]
pub trait ConfigStore: Send + Sync {
    /// The content now; `None` when nobody ever created it, or somebody deleted it. That alone
    /// never means that a new store may be created.
    ///
    /// # Errors
    /// When the store cannot be read, or has something that is no config.
    async fn read(&self) -> Result<Option<StoredConfig>, ConfigStoreError>;

    /// Creates the content; [`SwapOutcome::Conflict`] when there is one.
    ///
    /// # Errors
    /// When the outcome is unknown.
    async fn create(&self, config: &Config) -> Result<SwapOutcome, ConfigStoreError>;

    /// Replaces exactly the content with this `version`.
    ///
    /// # Errors
    /// When the outcome is unknown.
    async fn swap(
        &self,
        version: &StoreVersion,
        config: &Config,
        active: bool,
    ) -> Result<SwapOutcome, ConfigStoreError>;
}
