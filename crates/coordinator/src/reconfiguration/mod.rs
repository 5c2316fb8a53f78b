//! Changing the members (PROTOCOL section 4): from the group C1 to the group C2, in steps that any
//! coordinator may take, several at once, and of which each may be the last one of a process.
//!
//! ```text
//! {e, C1} ──probe──▶ {e+1, C1, C2} ──seal, scan, transfer──▶ {e+2, C2} ──▶ repair, retire
//!                          └───── C2 unreachable: abort ───▶ {e+2, C1}
//! ```
//!
//! Nothing is remembered between two [ticks](Reconfigurer::tick) but for people: each begins with
//! what the [`ConfigStore`] and the replicas say, and takes the step that follows. Safety rests on
//! the compare-and-swap of exactly the version that was acted on, and on activation at the
//! replicas; never on who drives, or on time.

mod looking;
mod metrics;
mod plan;
mod progress;
mod relation;
mod telling;
mod transfer;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_register::config::TransitionError;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{Config, ConfigId, Entropy, Member, ReplicaId};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

pub use metrics::ReconfigurationMetrics;
pub use plan::{Blocked, Plan, Seen, Situation, plan};
pub use progress::{Ending, LastChange, Progress, Step};
pub use transfer::{TransferError, TransferOptions};

use crate::live::LiveCounts;
use crate::membership::{
    ConfigStore, ConfigStoreError, Directory, Membership, Proof, StoredConfig, SwapOutcome,
    Workload, prove_active, record_active,
};
use crate::repair::RepairStatus;
use relation::Relation;

/// When and how the members are changed.
#[derive(Debug, Clone, Copy)]
pub struct ReconfigurationOptions {
    /// How often it is looked whether there is something to do.
    pub interval: Duration,
    /// How long another disk must be in a member's place before it is swapped in.
    pub swap_delay: Duration,
    /// How long the new members of a change may be unreachable before it is given up. While they
    /// are, operations wait for them.
    pub abort_after: Duration,
    /// How long a replica has to answer while its state is asked.
    pub probe_limit: Duration,
    /// Fewer replicas than these are never taken for a wish.
    pub minimum: usize,
    /// How data is brought to new members.
    pub transfer: TransferOptions,
}

impl Default for ReconfigurationOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            swap_delay: Duration::from_secs(300),
            abort_after: Duration::from_secs(5),
            probe_limit: Duration::from_secs(1),
            minimum: 1,
            transfer: TransferOptions::default(),
        }
    }
}

/// What a reconfigurer is made of.
pub struct ReconfigurerParts {
    /// Its times and limits.
    pub options: ReconfigurationOptions,
    /// The config operated under.
    pub membership: Arc<Membership>,
    /// Where the agreed config lies.
    pub config_store: Arc<dyn ConfigStore>,
    /// What people want.
    pub workload: Arc<dyn Workload>,
    /// For ids of configs.
    pub entropy: Arc<dyn Entropy>,
    /// Where it counts.
    pub metrics: ReconfigurationMetrics,
    /// What the coordinator has under way, so that a transfer makes room for it.
    pub live: LiveCounts,
    /// What repair knows of the members; disks that left are kept until those that stay have all.
    pub repair: Option<watch::Receiver<RepairStatus>>,
    /// Whether this coordinator is the one that begins changes and transfers; without it all do.
    pub leads: Option<watch::Receiver<bool>>,
}

/// Why a step was not taken; the next tick tries again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ChangeError {
    /// The config store did not answer; what it was asked may have been done.
    #[error("the config store: {0}")]
    Store(#[from] ConfigStoreError),
    /// A config cannot be made active yet.
    #[error("the config of epoch {epoch} cannot be made active yet: {problems}")]
    NotActive {
        /// Its epoch.
        epoch: String,
        /// Who does not answer, and why.
        problems: String,
    },
    /// Somebody else was quicker.
    #[error("another coordinator changed the config")]
    Conflict,
    /// The data did not reach the next group.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// There is no such change.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// It cannot be done as things are.
    #[error("{}", .0.message)]
    Blocked(Blocked),
}

/// Closes the gap between the members that are wanted and those that are agreed.
pub struct Reconfigurer {
    parts: ReconfigurerParts,
    progress: watch::Sender<Progress>,
    /// One step at a time in this process.
    stepping: tokio::sync::Mutex<()>,
    noticed: Mutex<Noticed>,
}

/// What was seen, and since when. Only delays depend on it.
#[derive(Default)]
struct Noticed {
    strangers: HashMap<ReplicaId, Instant>,
    joint: Option<(ConfigId, Instant)>,
    /// Members that a person asked to replace.
    leaving: Vec<ReplicaId>,
    said: String,
    /// Since when there is something to do that is left to the coordinator that leads.
    left_to_leader: Option<Instant>,
}

/// What the coordinator that leads does not do for so long, such as when it reaches no replica, is
/// done by any other.
const LEADER_PATIENCE: Duration = Duration::from_secs(30);

impl Reconfigurer {
    /// One that does nothing until it is [run](Self::run).
    pub fn new(parts: ReconfigurerParts) -> Self {
        Self {
            parts,
            progress: watch::Sender::default(),
            stepping: tokio::sync::Mutex::default(),
            noticed: Mutex::default(),
        }
    }

    /// What it is doing.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// What people want.
    pub fn workload(&self) -> &Arc<dyn Workload> {
        &self.parts.workload
    }

    /// Where the agreed config lies.
    pub fn config_store(&self) -> &dyn ConfigStore {
        &*self.parts.config_store
    }

    /// For ids of configs.
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.parts.entropy
    }

    /// Takes steps for ever.
    pub async fn run(&self) {
        loop {
            let acted = match self.tick().await {
                Ok(acted) => acted,
                Err(error) => {
                    self.explain(&error);
                    false
                }
            };
            // A change goes on at once; between changes there is time.
            if !acted {
                tokio::time::sleep(self.parts.options.interval).await;
            }
        }
    }

    /// Takes the next step, if there is one to take; `true` when it took one.
    ///
    /// # Errors
    /// [`ChangeError`] when the step could not be taken. Nothing is undone then, and nothing
    /// needs to be: the next tick begins with what there is.
    pub async fn tick(&self) -> Result<bool, ChangeError> {
        let _stepping = self.stepping.lock().await;
        let Some(view) = self.parts.membership.view() else {
            return Ok(false);
        };
        self.say_wanted();
        let active_config = view.config().clone();
        let Some(stored) = self.parts.config_store.read().await? else {
            return Err(ChangeError::Blocked(Blocked::new(
                "config_lost",
                "the agreed config is missing from its store, and members cannot be changed: run `quorate recover`",
            )));
        };
        match Relation::of(&stored.config, &active_config) {
            // Somebody recorded there that it was proven.
            Relation::Newer if stored.active => {
                self.parts.membership.install(stored.config.clone());
                Ok(true)
            }
            Relation::Newer => {
                self.activate(&stored.config).await?;
                Ok(true)
            }
            Relation::RolledBack => {
                self.put_back(&stored, &active_config).await?;
                Ok(true)
            }
            Relation::Forked => Err(ChangeError::Blocked(Blocked::new(
                "config_forked",
                format!(
                    "the stored config of epoch {} and the active one of epoch {} do not descend from each other: run `quorate recover`",
                    stored.config.epoch(),
                    active_config.epoch()
                ),
            ))),
            Relation::Same if stored.config.is_joint() && !self.drives() => Ok(false),
            Relation::Same if stored.config.is_joint() => {
                self.complete(&stored).await?;
                Ok(true)
            }
            Relation::Same => self.begin(&stored).await,
        }
    }

    /// Tells people what is wanted, also while nothing can be done about it.
    fn say_wanted(&self) {
        let size = self.parts.workload.wanted().map(|wanted| wanted.len());
        self.parts.metrics.wanted(size);
        self.progress.send_if_modified(|progress| {
            let before = std::mem::replace(&mut progress.wanted, size);
            before != size
        });
    }

    /// Swaps out a member at the next opportunity, whatever its state: for the disk that was put
    /// in its place, or for its own once that is wiped.
    pub fn replace(&self, member: ReplicaId) {
        let leaving = &mut self.noticed.lock().leaving;
        if !leaving.contains(&member) {
            leaving.push(member);
        }
    }

    /// Whether so many replicas can be asked for, and a sentence why not.
    ///
    /// # Errors
    /// The sentence.
    pub fn check_size(&self, size: usize) -> Result<(), String> {
        let minimum = self.parts.options.minimum.max(1);
        let maximum = quorate_register::MAX_GROUP_MEMBERS;
        match size {
            0 => Err(format!(
                "a store cannot have 0 replicas: its data would be nowhere; the smallest size here is {minimum}"
            )),
            size if size < minimum => Err(format!(
                "{size} replicas are fewer than the minimum of {minimum}; start the coordinators with a smaller --min-replicas first"
            )),
            size if size > maximum => Err(format!(
                "{size} replicas are more than the maximum of {maximum}"
            )),
            _ => Ok(()),
        }
    }

    /// Old content came back: what the replicas prove active is put in its place. The swap is of
    /// the version that was read, so that a change somebody makes meanwhile is not lost unseen.
    async fn put_back(
        &self,
        stored: &StoredConfig,
        config: &Arc<Config>,
    ) -> Result<(), ChangeError> {
        let found = stored.config.epoch();
        self.swap(stored, config, true).await?;
        let epoch = config.epoch();
        self.announce(
            "ConfigRestored",
            true,
            format!("the stored config had gone back to epoch {found}; it is the active one of epoch {epoch} again"),
        );
        Ok(())
    }

    /// Begins a change, if the members are not as they should be.
    async fn begin(&self, stored: &StoredConfig) -> Result<bool, ChangeError> {
        let config = &stored.config;
        if !stored.active {
            // Operated under, hence proven active: recorded for those that start while no
            // replica can tell them.
            self.swap(stored, config, true).await?;
            return Ok(true);
        }
        let wanted = self.parts.workload.wanted();
        let seen = self.look(wanted.as_deref(), config).await;
        let retired = self.is_repaired(config) && self.retire(config, &seen).await;
        let settled = self.settled(config, &seen);
        let mut leaving = self.noticed.lock().leaving.clone();
        leaving.extend(settled.iter().filter(|&&id| config.lists(id)));
        let decided = match self.parts.membership.set_aside() {
            Some(obstacle) => Plan::Blocked(Blocked::new("disks_set_aside", obstacle)),
            None => plan(&Situation {
                config,
                wanted: wanted.as_deref(),
                seen: &seen,
                settled: &settled,
                leaving: &leaving,
                minimum: self.parts.options.minimum,
            }),
        };
        let (blocked, next) = match decided {
            Plan::Keep => (None, None),
            Plan::Blocked(blocked) => (Some(blocked), None),
            Plan::Change(next) => (None, Some(next)),
        };
        // Another coordinator may have ended the change that this one was driving.
        self.parts.metrics.at(Step::Idle);
        self.say_blocked(blocked.as_ref());
        self.progress.send_modify(|progress| {
            progress.step = Step::Idle;
            progress.blocked = blocked;
        });
        let Some(next) = next else {
            self.noticed.lock().left_to_leader = None;
            return Ok(retired);
        };
        if !self.drives() {
            return Ok(retired);
        }
        self.join(stored, next).await?;
        Ok(true)
    }

    /// Agrees on the joint config and makes it active.
    async fn join(&self, stored: &StoredConfig, next: Vec<Member>) -> Result<(), ChangeError> {
        let joint = Arc::new(stored.config.joint(next, &*self.parts.entropy)?);
        self.swap(stored, &joint, false).await?;
        self.show(Step::Joining, &joint);
        let (from, to) = (pods(&joint.parts().current), next_pods(&joint));
        self.announce(
            "ChangeBegun",
            false,
            format!(
                "changing the members from {} to {} at epoch {}",
                from.join(", "),
                to.join(", "),
                joint.epoch()
            ),
        );
        self.activate(&joint).await
    }

    /// Brings the joint config that is operated under to its end.
    async fn complete(&self, stored: &StoredConfig) -> Result<(), ChangeError> {
        let joint = &stored.config;
        let since = self.joint_since(joint.id());
        self.show(Step::Transferring, joint);
        let view = self
            .parts
            .membership
            .view()
            .filter(|view| view.config().id() == joint.id());
        let view = view.ok_or(ChangeError::Conflict)?;
        let options = &self.parts.options.transfer;
        let transferred = transfer::transfer(&view, options, self).await;
        let ending = match transferred {
            Ok(()) => Ending::Finished,
            Err(TransferError::Superseded(newer)) => {
                let follow = self.parts.membership.follow(&newer);
                let _ = timeout(self.parts.options.probe_limit, follow).await;
                return Ok(());
            }
            Err(TransferError::Next(_)) if since.elapsed() >= self.parts.options.abort_after => {
                Ending::Aborted
            }
            Err(error) => return Err(error.into()),
        };
        let entropy = &*self.parts.entropy;
        let (step, config) = match ending {
            Ending::Finished => (Step::Finishing, joint.finish(entropy)?),
            Ending::Aborted => (Step::Aborting, joint.abort(entropy)?),
        };
        let config = Arc::new(config);
        self.swap(stored, &config, false).await?;
        self.show(step, joint);
        self.activate(&config).await?;
        self.ended(ending, &config, since);
        Ok(())
    }

    /// Makes `config` active and operates under it. Only then the members that do not make it
    /// active are told, so that nobody is left behind on a config that never will be.
    async fn activate(&self, config: &Arc<Config>) -> Result<(), ChangeError> {
        let limit = self.parts.options.probe_limit;
        if active(Mutation::RetiredOnInactive) {
            let seen = self.look(None, config).await;
            self.retire(config, &seen).await;
        }
        match prove_active(self.directory(), config, limit).await {
            Proof::Active => {
                self.parts.membership.install(config.clone());
                record_active(self.directory(), config, limit).await;
                Ok(())
            }
            Proof::Superseded(newer) => {
                let follow = self.parts.membership.follow(&newer);
                let _ = timeout(limit, follow).await;
                Ok(())
            }
            Proof::Unproven { problems, .. } => Err(ChangeError::NotActive {
                epoch: config.epoch().to_string(),
                problems,
            }),
        }
    }

    /// Replaces exactly the version that was acted on. After an error the outcome is unknown,
    /// which the next tick finds out by reading.
    async fn swap(
        &self,
        stored: &StoredConfig,
        config: &Config,
        is_active: bool,
    ) -> Result<(), ChangeError> {
        let store = &self.parts.config_store;
        let mut version = stored.version.clone();
        if active(Mutation::FinishWithFreshVersion)
            && let Some(fresh) = store.read().await?
        {
            version = fresh.version;
        }
        match store.swap(&version, config, is_active).await? {
            SwapOutcome::Swapped(_) => Ok(()),
            SwapOutcome::Conflict => {
                self.parts.metrics.conflict();
                Err(ChangeError::Conflict)
            }
        }
    }

    /// Whether this coordinator takes the steps that need to be taken by one only. It saves work, and
    /// nothing depends on it.
    fn drives(&self) -> bool {
        let left = &mut self.noticed.lock().left_to_leader;
        let leads = self.parts.leads.as_ref();
        if leads.is_none_or(|leads| *leads.borrow()) {
            *left = None;
            return true;
        }
        left.get_or_insert_with(Instant::now).elapsed() >= LEADER_PATIENCE
    }

    fn joint_since(&self, id: ConfigId) -> Instant {
        let joint = &mut self.noticed.lock().joint;
        match joint {
            Some((known, since)) if *known == id => *since,
            _ => joint.insert((id, Instant::now())).1,
        }
    }

    fn directory(&self) -> &dyn Directory {
        &**self.parts.membership.directory()
    }
}

fn pods(members: &[Member]) -> Vec<String> {
    members.iter().map(|member| member.pod.clone()).collect()
}

fn next_pods(joint: &Config) -> Vec<String> {
    joint.parts().next.as_deref().map(pods).unwrap_or_default()
}
