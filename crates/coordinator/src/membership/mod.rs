//! Which replicas are asked: the agreed config, proven active, and where its members are.
//!
//! Membership is agreed, not observed: a member that does not answer stays one. The sequence of
//! configs lies in a [`ConfigStore`] and moves by compare-and-swap; that a config is *active*
//! is a fact at the replicas, which [`prove_active`] establishes. A [`Directory`] only says
//! where the members' pods are today.

mod acceptance;
mod activation;
mod admission;
mod advising;
mod boot_counters;
mod boot_document;
mod boot_judgement;
mod bootstrap;
mod config_store;
mod directory;
mod document;
mod document_file;
mod file_counters;
mod file_store;
mod identities;
mod listed;
mod load;
mod recover;
mod set_aside;
mod view;
mod volumes;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use quorate_register::config::MAX_ANCESTORS;
use quorate_register::{Config, Entropy};
use tokio::sync::{Notify, watch};

pub use acceptance::{AcceptError, AcceptedDisk, accept_disks};
pub(crate) use activation::record_active;
pub use activation::{Proof, prove_active};
pub use admission::{AdmissionState, Admissions, PodAdmission, admit_all};
pub(crate) use advising::keep_advising;
pub use advising::{advice, advise_all};
pub use boot_counters::{BootCounters, BootEntries, BootEntry, StoredBoots};
pub use boot_document::BootDocument;
pub use boot_judgement::{Amnesia, BootJudgement, DiskFacts, judge_boot};
pub use bootstrap::{BootstrapError, bootstrap};
pub use config_store::{ConfigStore, ConfigStoreError, StoreVersion, StoredConfig, SwapOutcome};
pub use directory::{Directory, FixedDirectory, Location, Nowhere};
pub use document::{ConfigDocument, InvalidDocument};
pub use file_counters::FileBootCounters;
pub use file_store::FileConfigStore;
pub use listed::ListedWorkload;
pub use load::{LoadProblem, load};
pub use recover::{RecoverError, Recovered, recover};
pub use view::{Target, View};
pub use volumes::Volumes;
pub use workload::{News, ScaleRefused, WishUnknown, Workload};

use crate::metrics::CoordinatorMetrics;
use crate::quorum::Backoff;

/// The config a coordinator operates under, and how it moves on.
pub struct Membership {
    view: ArcSwapOption<View>,
    /// What kept the last [`load`] from finding one.
    problem: ArcSwapOption<LoadProblem>,
    /// What keeps this coordinator from making the first config, where it may.
    first_config: ArcSwapOption<String>,
    epochs: watch::Sender<Option<quorate_register::Epoch>>,
    /// For the many operations that wait for another view. The order in which a watch wakes those
    /// who wait is random, and no run of the simulation could be repeated.
    moved: Notify,
    /// What was last found about the admission of each replica, if anybody looks.
    admissions: watch::Sender<Arc<Admissions>>,
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
            first_config: ArcSwapOption::empty(),
            epochs: watch::Sender::new(None),
            moved: Notify::new(),
            admissions: watch::Sender::new(Arc::default()),
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
        let obstacle = self.admissions.borrow().obstacle(None);
        match (&*self.problem.load(), &*self.first_config.load(), obstacle) {
            (Some(problem), _, Some(obstacle)) => format!("{problem}; {obstacle}"),
            (Some(problem), Some(first), None) if problem.is_of_a_new_store() => {
                format!("the store has no config yet: {first}")
            }
            (Some(problem), _, None) => problem.to_string(),
            (None, _, _) => "the config is being looked for".to_owned(),
        }
    }

    /// Takes down what keeps this coordinator from making the first config, which it may.
    pub fn first_config_waits(&self, problem: &str) {
        self.first_config.store(Some(Arc::new(problem.to_owned())));
    }

    /// Whether too many disks are set aside for anything to go on, and what to do then; see
    /// [`Admissions::obstacle`].
    pub fn set_aside(&self) -> Option<String> {
        let view = self.view();
        let config = view.as_ref().map(|view| &**view.config());
        self.admissions.borrow().obstacle(config)
    }

    /// Where the members are.
    pub fn directory(&self) -> &Arc<dyn Directory> {
        &self.directory
    }

    /// Follows the epoch operated under, `None` until there is one.
    pub fn epochs(&self) -> watch::Receiver<Option<quorate_register::Epoch>> {
        self.epochs.subscribe()
    }

    /// Waits until a config of a later epoch than `epoch` is operated under.
    pub(crate) async fn newer_than(&self, epoch: quorate_register::Epoch) -> Arc<Config> {
        loop {
            let moved = self.moved.notified();
            if let Some(view) = self.view()
                && view.config().epoch() > epoch
            {
                return view.config().clone();
            }
            moved.await;
        }
    }

    /// What was last found about the admission of the replicas; empty where no boots are
    /// counted.
    pub fn admissions(&self) -> watch::Receiver<Arc<Admissions>> {
        self.admissions.subscribe()
    }

    /// Takes down what was found about the admission of the replicas.
    pub fn publish_admissions(&self, admissions: Admissions) {
        let publish = |known: &mut Arc<Admissions>| {
            let news = **known != admissions;
            if news {
                *known = Arc::new(admissions);
            }
            news
        };
        self.admissions.send_if_modified(publish);
    }

    /// Operates under `config`, which is proven active, unless a newer one is operated under.
    pub fn install(&self, config: Arc<Config>) -> Arc<View> {
        if let Some(view) = self.view() {
            self.check_path(view.config(), &config);
            if view.config().epoch() >= config.epoch() {
                return view;
            }
        }
        let view = Arc::new(View::new(config, &*self.directory, &self.metrics));
        self.metrics.operates_under(view.config());
        self.view.store(Some(view.clone()));
        self.epochs.send_replace(Some(view.config().epoch()));
        self.moved.notify_waiters();
        view
    }

    /// Active configs form one path: of two of them one descends from the other, unless a person
    /// made one anew, or so many lie between them that the lineage does not say.
    fn check_path(&self, one: &Config, other: &Config) {
        let (older, newer) = match one.epoch() <= other.epoch() {
            true => (one, other),
            false => (other, one),
        };
        let recovered = older.epoch().recovery < newer.epoch().recovery;
        let is_cut = newer.parts().ancestors.len() == MAX_ANCESTORS;
        if !newer.is_or_descends_from(older.id()) && !recovered && !is_cut {
            self.metrics.violations().fork.inc();
            tracing::error!(
                older = %older.epoch(), newer = %newer.epoch(),
                "two configs are active, of which neither descends from the other"
            );
        }
    }

    /// Proves `config`, which a replica holds, or a newer one active and operates under it. Tries
    /// until it succeeds; the caller bounds the time. A config that cannot be proven may never be:
    /// where its members hold another one, that is tried next.
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
                activation::Proof::Unproven { problems, rival } => {
                    tracing::warn!(epoch = %config.epoch(), problems, "cannot prove a config active");
                    config = rival.unwrap_or(config);
                    failed += 1;
                    tokio::time::sleep(backoff.pause(failed, &*self.entropy)).await;
                }
            }
        }
    }
}

/// How long one try at a proof waits for the members.
const PROOF_TIMEOUT: Duration = Duration::from_secs(1);
