//! What readers and the committer of one replica share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use quick_cache::sync::Cache;
use quorate_register::fence::check_target;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{Fence, HeldConfig, Key, Pair, ReplicaError, ReplicaId, Timestamp};

use crate::digests::Digests;
use crate::tombstones::TombstoneSamples;
use crate::{ReplicaMetrics, Store, StoreError};

/// What is remembered of a key's durable pair to compare writes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) timestamp: Timestamp,
    /// Tells two values under one timestamp apart.
    pub(crate) checksum: u32,
}

impl From<&Pair> for Stamp {
    fn from(pair: &Pair) -> Self {
        Self {
            timestamp: pair.timestamp,
            checksum: pair.checksum,
        }
    }
}

pub(crate) struct State<S> {
    pub(crate) replica_id: ReplicaId,
    pub(crate) pod: String,
    pub(crate) store: S,
    pub(crate) metrics: ReplicaMetrics,
    pub(crate) tombstones: Mutex<TombstoneSamples>,
    /// The config served under. Readers hold the lock from their fence check to the end of
    /// their access; the committer takes it to publish an adoption, so no read that passed
    /// under the old config returns what is written under the new one.
    config: RwLock<Option<HeldConfig>>,
    /// Stamps of durable pairs. Only the committer inserts, after the pair is visible: a
    /// reader that did might put back an old stamp behind a newer one. It removes them before
    /// the pair becomes visible, so that a reader who has seen the pair never meets an older
    /// stamp, under which a new write would be taken for a late one.
    stamps: Cache<Key, Stamp>,
    /// By which the replica is compared with others.
    pub(crate) digests: Digests,
    /// Why the disk counts as lost, once it does.
    lost: OnceLock<String>,
    /// Whether anything is served: nothing is before the boot is admitted.
    admitted: AtomicBool,
    /// Set under the lock of `config`, as an adoption is: no read that passed before comes
    /// upon a disk that is being wiped.
    retired: AtomicBool,
}

impl<S: Store> State<S> {
    pub(crate) fn new(
        replica_id: ReplicaId,
        pod: String,
        store: S,
        metrics: ReplicaMetrics,
        cached_stamps: usize,
        admitted: bool,
    ) -> Self {
        let config = store.config();
        metrics.adopted(config.as_ref());
        Self {
            replica_id,
            pod,
            store,
            metrics,
            tombstones: Mutex::default(),
            config: RwLock::new(config),
            stamps: Cache::new(cached_stamps),
            digests: Digests::new(),
            lost: OnceLock::new(),
            admitted: AtomicBool::new(admitted),
            retired: AtomicBool::new(false),
        }
    }

    /// The config served under.
    pub(crate) fn config(&self) -> Option<HeldConfig> {
        self.config.read().clone()
    }

    /// Serves under this config from now on; waits for the reads that began before.
    pub(crate) fn publish_config(&self, config: HeldConfig) {
        self.metrics.adopted(Some(&config));
        let mut held = self.config.write();
        let epoch = config.config.epoch();
        if let Some(before) = held.as_ref().filter(|held| held.config.epoch() > epoch) {
            self.metrics.violated("config_went_back");
            tracing::error!(
                pod = self.pod, before = %before.config.epoch(), now = %epoch,
                "the config went back"
            );
        }
        *held = Some(config);
    }

    /// Serves from now on: the boot is admitted, durably.
    pub(crate) fn publish_admission(&self) {
        self.admitted.store(true, Ordering::Release);
    }

    /// Whether the boot is admitted.
    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Acquire)
    }

    /// Serves nothing from now on; waits for the reads that began before.
    pub(crate) fn publish_retirement(&self) {
        let _config = self.config.write();
        self.retired.store(true, Ordering::Release);
    }

    /// # Errors
    /// [`ReplicaError::NotAdmitted`] before the boot is admitted; [`ReplicaError::Unreachable`]
    /// while a retired disk is wiped.
    pub(crate) fn check_serving(&self) -> Result<(), ReplicaError> {
        self.check_retired()?;
        match self.is_admitted() {
            true => Ok(()),
            false => Err(ReplicaError::NotAdmitted),
        }
    }

    /// # Errors
    /// [`ReplicaError::Unreachable`] while a retired disk is wiped.
    pub(crate) fn check_retired(&self) -> Result<(), ReplicaError> {
        if self.retired.load(Ordering::Acquire) {
            return Err(ReplicaError::Unreachable {
                problem: "the replica is retired and wipes its disk".into(),
            });
        }
        Ok(())
    }

    /// Runs `access` if the fence passes, both in one section.
    pub(crate) fn fenced<T>(
        &self,
        fence: &Fence,
        access: impl FnOnce() -> Result<T, ReplicaError>,
    ) -> Result<T, ReplicaError> {
        let config = self.config.read();
        self.check_fence(fence, config.as_ref())?;
        access()
    }

    /// Checks the fence of a write. Only the committer may use it, which is also the only
    /// one to change the config: between check and commit no adoption comes.
    pub(crate) fn fence_of_write(&self, fence: &Fence) -> Result<(), ReplicaError> {
        self.check_fence(fence, self.config.read().as_ref())
    }

    fn check_fence(&self, fence: &Fence, config: Option<&HeldConfig>) -> Result<(), ReplicaError> {
        check_target(self.replica_id, fence.replica_id)?;
        self.check_serving()?;
        let checked = fence.check(self.replica_id, config.map(|held| &held.config));
        if let Err(ReplicaError::Fork { .. }) = checked {
            self.metrics.violated("fork");
        }
        checked?;
        // Whoever operates under a config has proven it active. That is recorded here before
        // the first answer, so that a majority has the record when an operation completes: all
        // members prove a first config, and once one of them lost its disk nobody could again.
        let recorded = config.is_some_and(|held| held.active);
        if !recorded && !active(Mutation::ActiveNotRecorded) {
            return Err(ReplicaError::NeedConfig);
        }
        self.check_disk()
    }

    /// # Errors
    /// [`ReplicaError::WrongReplica`] when another disk is meant.
    pub(crate) fn check_target(&self, meant: ReplicaId) -> Result<(), ReplicaError> {
        check_target(self.replica_id, meant)
    }

    /// # Errors
    /// [`ReplicaError::LostDisk`] once corruption was found.
    pub(crate) fn check_disk(&self) -> Result<(), ReplicaError> {
        match self.lost.get() {
            None => Ok(()),
            Some(problem) => Err(ReplicaError::LostDisk {
                problem: problem.clone(),
            }),
        }
    }

    /// The durable pair of a key. One that is older than what was durable before is a lost disk
    /// too, whatever its checksum says.
    pub(crate) fn read(&self, key: &Key) -> Result<Pair, ReplicaError> {
        // Looked up before the read, which may see a newer one but never an older; and without a
        // say in which stamps are kept, which is about writes.
        let known = self.stamps.peek(key);
        let pair = self
            .store
            .read(key)
            .map_err(|error| self.disk_error(error))?;
        let pair = pair.unwrap_or(Pair::UNWRITTEN);
        match known.filter(|known| known.timestamp > pair.timestamp) {
            None => Ok(pair),
            Some(known) => {
                let (was, is) = (known.timestamp, pair.timestamp);
                let problem = format!("a pair went back from {was} to {is}");
                Err(self.lose(problem, "timestamp_went_back"))
            }
        }
    }

    /// The stamp of the durable pair of a key: remembered, or read.
    pub(crate) fn stamp(&self, key: &Key) -> Result<Stamp, ReplicaError> {
        match self.stamps.get(key) {
            Some(stamp) => Ok(stamp),
            None => Ok(Stamp::from(&self.read(key)?)),
        }
    }

    /// Forgets the stamps of pairs that are about to be replaced.
    pub(crate) fn forget(&self, pairs: &[(Key, Pair)]) {
        for (key, _) in pairs {
            self.stamps.remove(key);
        }
    }

    /// Remembers the stamp of a pair that is durable and visible.
    pub(crate) fn remember(&self, key: &Key, pair: &Pair) {
        self.stamps.insert(key.detached(), Stamp::from(pair));
    }

    /// The answer for an error of the store's reads; corruption condemns the whole disk, since
    /// what else changed on it nobody knows.
    pub(crate) fn disk_error(&self, error: StoreError) -> ReplicaError {
        match error {
            StoreError::Corrupt { problem } => self.lose(problem, "corruption"),
            StoreError::Failed { problem } => ReplicaError::Unreachable { problem },
        }
    }

    /// The disk counts as lost from now on.
    fn lose(&self, problem: String, invariant: &'static str) -> ReplicaError {
        if self.lost.set(problem.clone()).is_ok() {
            tracing::error!(pod = self.pod, problem, "the disk counts as lost");
            self.metrics.violated(invariant);
        }
        ReplicaError::LostDisk { problem }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prometheus::Registry;
    use quorate_register::{ClusterId, Config, ConfigId, ConfigParts, Epoch, Member};

    use super::*;
    use crate::memory::{MemoryDisk, MemoryStore};

    fn held(own: ReplicaId, number: u64) -> HeldConfig {
        let member = Member {
            replica_id: own,
            pod: "replica-0".into(),
        };
        let parts = ConfigParts {
            cluster_id: ClusterId::from_bytes([9; 16]),
            id: ConfigId::from_bytes([number as u8; 16]),
            ancestors: Vec::new(),
            epoch: Epoch {
                recovery: 0,
                number,
            },
            current: vec![member],
            next: None,
            activators: Vec::new(),
            retired: Vec::new(),
        };
        let config = Arc::new(Config::new(parts).unwrap());
        HeldConfig {
            config,
            active: true,
        }
    }

    #[test]
    fn a_config_that_goes_back_is_counted() {
        let own = ReplicaId::from_bytes([1; 16]);
        let metrics = ReplicaMetrics::new(&Registry::new(), "replica-0").unwrap();
        let store = MemoryStore::open(Arc::<MemoryDisk>::default());
        let state = State::new(own, "replica-0".into(), store, metrics.clone(), 1, true);
        for number in [1, 2] {
            state.publish_config(held(own, number));
            assert_eq!(metrics.violations(), 0);
        }
        state.publish_config(held(own, 1));
        assert_eq!(metrics.violations_of("config_went_back"), 1);
    }
}
