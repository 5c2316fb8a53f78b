//! Which replicas are asked: the agreed config, proven active, and where its members are.
//!
//! Membership is agreed, not observed: a member that does not answer stays one. The sequence of
//! configs lies in a [`ConfigStore`] and moves by compare-and-swap; that a config is *active*
//! is a fact at the replicas, which [`prove_active`] establishes. A [`Directory`] only says
//! where the members' pods are today.

mod activation;
mod bootstrap;
mod config_store;
mod directory;
mod document;
mod file_store;
mod listed;
mod load;
mod view;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use quorate_register::{Config, Entropy};
use tokio::sync::watch;

pub use activation::{Proof, prove_active};
pub(crate) use bootstrap::record_active;
pub use bootstrap::{BootstrapError, bootstrap};
pub use config_store::{ConfigStore, ConfigStoreError, StoreVersion, StoredConfig, SwapOutcome};
pub use directory::{Directory, FixedDirectory};
pub use document::{ConfigDocument, InvalidDocument};
pub use file_store::FileConfigStore;
pub use listed::ListedWorkload;
pub use load::{LoadProblem, load};
pub use view::{Target, View};
pub use workload::{News, ScaleRefused, Workload};

use crate::metrics::CoordinatorMetrics;
use crate::quorum::Backoff;

/// The config a coordinator operates under, and how it moves on.
pub struct Membership {
    view: ArcSwapOption<View>,
    /// What kept the last [`load`] from finding one.
    problem: ArcSwapOption<LoadProblem>,
    epochs: watch::Sender<Option<quorate_register::Epoch>>,
    directory: Arc<dyn Directory>,
    entropy: Arc<dyn Entropy>,
    metrics: CoordinatorMetrics,
    /// One proof at a time: operations that meet a newer config wait for the same one.
    moving: tokio::sync::Mutex<()>,
}

impl Membership {
    /// One that knows no config yet.
    pub fn new(
        directory: Arc<dyn Directory>,
        entropy: Arc<dyn Entropy>,
        metrics: CoordinatorMetrics,
    ) -> Self {
        Self {
            view: ArcSwapOption::empty(),
            problem: ArcSwapOption::empty(),
            epochs: watch::Sender::new(None),
            directory,
            entropy,
            metrics,
            moving: tokio::sync::Mutex::default(),
        }
    }

    /// The view to operate under; `None` until a config is proven active.
    pub fn view(&self) -> Option<Arc<View>> {
        self.view.load_full()
    }

    /// Why there is no view yet: what the last [`load`] found, in a sentence.
    pub fn why_not_ready(&self) -> String {
        match &*self.problem.load() {
            Some(problem) => problem.to_string(),
            None => "the config is being looked for".to_owned(),
        }
    }

    /// Where the members are.
    pub fn directory(&self) -> &Arc<dyn Directory> {
        &self.directory
    }

    /// Follows the epoch operated under, `None` until there is one.
    pub fn epochs(&self) -> watch::Receiver<Option<quorate_register::Epoch>> {
        self.epochs.subscribe()
    }

    /// Operates under `config`, which is proven active, unless a newer one is operated under.
    pub fn install(&self, config: Arc<Config>) -> Arc<View> {
        if let Some(view) = self.view()
            && view.config().epoch() >= config.epoch()
        {
            return view;
        }
        let view = Arc::new(View::new(config, &*self.directory, &self.metrics));
        self.metrics.operates_under(view.config());
        self.view.store(Some(view.clone()));
        self.epochs.send_replace(Some(view.config().epoch()));
        view
    }

    /// Proves `config`, which a replica holds, or a newer one active and operates under it. Tries
    /// until it succeeds; the caller bounds the time.
    pub async fn follow(&self, config: &Arc<Config>) -> Arc<View> {
        let _moving = self.moving.lock().await;
        let mut config = config.clone();
        let backoff = Backoff::default();
        let mut failed = 0;
        loop {
            if let Some(view) = self.view()
                && view.config().epoch() >= config.epoch()
            {
                return view;
            }
            match prove_active(&*self.directory, &config, PROOF_TIMEOUT).await {
                activation::Proof::Active => return self.install(config),
                activation::Proof::Superseded(newer) => config = newer,
                activation::Proof::Unproven(problems) => {
                    tracing::warn!(epoch = %config.epoch(), problems, "cannot prove a config active");
                    failed += 1;
                    tokio::time::sleep(backoff.pause(failed, &*self.entropy)).await;
                }
            }
        }
    }
}

/// How long one try at a proof waits for the members.
const PROOF_TIMEOUT: Duration = Duration::from_secs(1);
