//! The object in which boots are counted, in place of a ConfigMap.

use async_trait::async_trait;
use parking_lot::Mutex;
use quorate_coordinator::membership::{
    BootCounters, BootEntries, ConfigStoreError, StoreVersion, StoredBoots, SwapOutcome,
};

use crate::random::Random;

/// [`BootCounters`] in memory that are slow, fail, and sometimes fail after they did what they
/// were asked. Unlike the config object they never go back: a person who puts back both the disks
/// and their counters is noticed by nobody.
pub(crate) struct BootObject {
    content: Mutex<Content>,
    failures: f64,
    random: Random,
}

#[derive(Default)]
struct Content {
    version: u64,
    entries: Option<BootEntries>,
}

impl BootObject {
    /// An object that does not exist yet.
    pub(crate) fn new(seed: u64) -> Self {
        let random = Random::new(seed, "boot counters");
        Self {
            content: Mutex::default(),
            failures: random.pick(&[0.0, 0.2]),
            random,
        }
    }

    /// Waits as a network does; an error when the answer is lost.
    async fn travel(&self) -> Result<(), ConfigStoreError> {
        tokio::time::sleep(self.random.milliseconds(0..=20)).await;
        match self.random.chance(self.failures) {
            true => Err(ConfigStoreError {
                problem: "the boot counters did not answer".into(),
            }),
            false => Ok(()),
        }
    }

    /// Replaces the content if `is_current` says it may.
    async fn replace(
        &self,
        entries: &BootEntries,
        is_current: impl FnOnce(&Content) -> bool + Send,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        self.travel().await?;
        let outcome = {
            let mut content = self.content.lock();
            if is_current(&content) {
                content.version += 1;
                content.entries = Some(entries.clone());
                SwapOutcome::Swapped(StoreVersion(content.version.to_string()))
            } else {
                SwapOutcome::Conflict
            }
        };
        self.travel().await?;
        Ok(outcome)
    }
}

#[async_trait]
impl BootCounters for BootObject {
    async fn read(&self) -> Result<Option<StoredBoots>, ConfigStoreError> {
        self.travel().await?;
        let content = self.content.lock();
        Ok(content.entries.as_ref().map(|entries| StoredBoots {
            entries: entries.clone(),
            version: StoreVersion(content.version.to_string()),
        }))
    }

    async fn create(&self, entries: &BootEntries) -> Result<SwapOutcome, ConfigStoreError> {
        self.replace(entries, |content| content.entries.is_none())
            .await
    }

    async fn swap(
        &self,
        version: &StoreVersion,
        entries: &BootEntries,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        let is_current = |content: &Content| {
            content.entries.is_some() && content.version.to_string() == version.0
        };
        self.replace(entries, is_current).await
    }
}
