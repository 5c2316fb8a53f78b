//! The object in which the sequence of configs lies, in place of a ConfigMap.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use quorate_coordinator::membership::{
    ConfigStore, ConfigStoreError, StoreVersion, StoredConfig, SwapOutcome,
};
use quorate_register::Config;

use crate::random::Random;
use crate::trace::Trace;

/// A [`ConfigStore`] in memory that is slow, fails, and sometimes fails after it did what it
/// was asked.
pub(crate) struct ConfigObject {
    content: Mutex<Content>,
    /// Seldom enough that every coordinator finds its way.
    failures: f64,
    random: Random,
    trace: Trace,
    /// Is shown each config that ends a change.
    finished: Option<Finished>,
}

/// Looks at a config in the instant in which it ends a change.
type Finished = Box<dyn Fn(&Config) + Send + Sync>;

#[derive(Default)]
struct Content {
    version: u64,
    stored: Option<(Arc<Config>, bool)>,
    /// What it was before, oldest first: versions and configs.
    past: Vec<(u64, Arc<Config>, bool)>,
}

impl ConfigObject {
    /// An object that does not exist yet.
    pub(crate) fn new(seed: u64, trace: Trace) -> Self {
        let random = Random::new(seed, "config object");
        Self {
            content: Mutex::default(),
            failures: random.pick(&[0.0, 0.2]),
            random,
            trace,
            finished: None,
        }
    }

    /// Shows each config that ends a change, in the instant in which it does.
    pub(crate) fn showing(self, finished: impl Fn(&Config) + Send + Sync + 'static) -> Self {
        let finished = Some(Box::new(finished) as Finished);
        Self { finished, ..self }
    }

    /// Waits as a network does; an error when the answer is lost.
    async fn travel(&self) -> Result<(), ConfigStoreError> {
        tokio::time::sleep(self.wait()).await;
        match self.random.chance(self.failures) {
            true => Err(ConfigStoreError {
                problem: "the config object did not answer".into(),
            }),
            false => Ok(()),
        }
    }

    /// Puts an old content back, as a backup that is restored does: with its version too, which
    /// another content may get once more. `false` when there is none.
    pub(crate) fn roll_back(&self) -> bool {
        let content = &mut *self.content.lock();
        if content.past.is_empty() {
            return false;
        }
        let kept = self.random.index(content.past.len());
        let (version, config, active) = content.past[kept].clone();
        content.past.truncate(kept);
        content.version = version;
        content.stored = Some((config, active));
        true
    }

    fn wait(&self) -> Duration {
        self.random.milliseconds(0..=20)
    }

    /// Replaces the content if `current` says it may; `true` when it was replaced.
    fn replace(
        &self,
        config: &Config,
        active: bool,
        current: impl FnOnce(&Content) -> bool,
    ) -> SwapOutcome {
        let mut content = self.content.lock();
        if !current(&content) {
            return SwapOutcome::Conflict;
        }
        let version = content.version;
        if let Some((replaced, active)) = content.stored.take() {
            if let Some(step) = step(&replaced, config) {
                self.trace
                    .event(step, format_args!("config object: {step}"));
                if step == COMPLETED
                    && let Some(finished) = &self.finished
                {
                    finished(config);
                }
            }
            content.past.push((version, replaced, active));
        }
        content.version += 1;
        content.stored = Some((Arc::new(config.clone()), active));
        SwapOutcome::Swapped(StoreVersion(content.version.to_string()))
    }
}

/// The step with which the next group decides alone.
const COMPLETED: &str = "change completed";

/// Which step of a change it is when a config takes the place of its parent; `None` for what is
/// no step, such as an old config that is put back.
fn step(replaced: &Config, config: &Config) -> Option<&'static str> {
    if config.parts().ancestors.first() != Some(&replaced.id()) {
        return None;
    }
    if config.epoch().recovery > replaced.epoch().recovery {
        return Some("config recovered");
    }
    if config.is_joint() {
        return Some("change begun");
    }
    let next = replaced.parts().next.as_ref()?;
    match config.parts().current == *next {
        true => Some(COMPLETED),
        false => Some("change aborted"),
    }
}

#[async_trait]
impl ConfigStore for ConfigObject {
    async fn read(&self) -> Result<Option<StoredConfig>, ConfigStoreError> {
        self.travel().await?;
        let content = self.content.lock();
        Ok(content
            .stored
            .as_ref()
            .map(|(config, active)| StoredConfig {
                config: config.clone(),
                active: *active,
                version: StoreVersion(content.version.to_string()),
            }))
    }

    async fn create(&self, config: &Config) -> Result<SwapOutcome, ConfigStoreError> {
        self.travel().await?;
        let outcome = self.replace(config, false, |content| content.stored.is_none());
        self.travel().await?;
        Ok(outcome)
    }

    async fn swap(
        &self,
        version: &StoreVersion,
        config: &Config,
        active: bool,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        self.travel().await?;
        let is_current = |content: &Content| {
            content.stored.is_some() && content.version.to_string() == version.0
        };
        let outcome = self.replace(config, active, is_current);
        self.travel().await?;
        Ok(outcome)
    }
}
