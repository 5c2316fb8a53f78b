//! The replica in this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{
    Advice, Boot, Config, Digest, DigestRequest, Fence, HeldConfig, Identity, Key, Page,
    PageRequest, Pair, Replica, ReplicaError, ReplicaId, Timestamp, Write, Writes,
};

use crate::digests::Count;
use crate::queue::CommitQueue;
use crate::state::State;
use crate::{CommitLimits, Committer, Departure, InstanceDirectory, ReplicaMetrics, Store, traced};

/// What a replica is told at its start.
#[derive(Debug, Clone)]
pub struct ReplicaOptions {
    /// Its disk.
    pub replica_id: ReplicaId,
    /// The name of its pod.
    pub pod: String,
    /// Limits of queue and batches.
    pub limits: CommitLimits,
    /// Below so many free bytes writes are refused.
    pub reserved_bytes: u64,
    /// For how many keys at most the timestamp is remembered, but for rounding up to shards of
    /// one size; others are read from the store.
    pub cached_timestamps: usize,
    /// Whether the boot is admitted already, as [`begin_boot`](crate::begin_boot) says.
    pub admitted: bool,
    /// Where an admission is noted for a restart in the same pod.
    pub instance: Option<InstanceDirectory>,
    /// How its process ends.
    pub departure: Departure,
}

impl ReplicaOptions {
    /// The defaults for this disk in this pod, whose boot needs no admission.
    pub fn new(replica_id: ReplicaId, pod: impl Into<String>) -> Self {
        Self {
            replica_id,
            pod: pod.into(),
            limits: CommitLimits::default(),
            reserved_bytes: 64 << 20,
            cached_timestamps: 100_000,
            admitted: true,
            instance: None,
            departure: Departure::default(),
        }
    }
}

/// A replica whose store is in this process. Clones are the same replica.
pub struct LocalReplica<S> {
    state: Arc<State<S>>,
    queue: CommitQueue,
    departure: Departure,
}

impl<S> Clone for LocalReplica<S> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            queue: self.queue.clone(),
            departure: self.departure.clone(),
        }
    }
}

impl<S: Store> LocalReplica<S> {
    /// The replica over `store`, and the committer that somebody must run for it.
    pub fn new(store: S, options: ReplicaOptions, metrics: ReplicaMetrics) -> (Self, Committer<S>) {
        let (queue, entries) = CommitQueue::new(options.limits);
        let state = Arc::new(State::new(
            options.replica_id,
            options.pod,
            store,
            metrics,
            options.cached_timestamps,
            options.admitted,
        ));
        let committer = Committer {
            state: state.clone(),
            entries,
            limits: options.limits,
            reserved_bytes: options.reserved_bytes,
            count: Count::UpTo(None),
            instance: options.instance,
        };
        let departure = options.departure;
        let replica = Self {
            state,
            queue,
            departure,
        };
        (replica, committer)
    }

    pub(crate) fn store(&self) -> &S {
        &self.state.store
    }

    /// A planted bug: passes the fence, and comes to what is behind it only after some time.
    async fn pass_early(&self, fence: &Fence) -> Result<(), ReplicaError> {
        self.state.fenced(fence, || Ok(()))?;
        tokio::time::sleep(BEHIND_THE_FENCE).await;
        Ok(())
    }

    /// The config served under; `None` on a disk that never held one.
    pub fn config(&self) -> Option<HeldConfig> {
        self.state.config()
    }

    /// Reads the gauges that nothing else keeps up to date.
    pub fn observe(&self) {
        let store = &self.state.store;
        let metrics = &self.state.metrics;
        metrics.store(store.keys(), store.disk_bytes(), self.queue.len());
    }

    /// Takes one more sample of the store, for the gauge that says how many keys are tombstones.
    pub fn sample(&self) {
        match self.state.tombstones.lock().take(&self.state.store) {
            Ok(ratio) => self.state.metrics.tombstones(ratio),
            // Whoever needs what cannot be read says more.
            Err(error) => tracing::debug!(%error, "no sample of the store"),
        }
    }
}

/// Long enough for an adoption to come in between.
const BEHIND_THE_FENCE: Duration = Duration::from_millis(50);

#[async_trait]
impl<S: Store> Replica for LocalReplica<S> {
    async fn local_read(
        &self,
        fence: &Fence,
        key: &Key,
        _: Duration,
    ) -> Result<Pair, ReplicaError> {
        let _in_flight = self.state.metrics.begin("local_read");
        let pod = &self.state.pod;
        let mut span = traced::request("LocalRead", "quorate.v1.Replica/LocalRead", pod);
        let result = match active(Mutation::FenceNotAtomicWithRead) {
            true => self
                .pass_early(fence)
                .await
                .and_then(|()| self.state.read(key)),
            false => self.state.fenced(fence, || self.state.read(key)),
        };
        traced::answered(&mut span, result.as_ref().err());
        result
    }

    async fn local_read_timestamp(
        &self,
        fence: &Fence,
        key: &Key,
        _: Duration,
    ) -> Result<Timestamp, ReplicaError> {
        let _in_flight = self.state.metrics.begin("local_read_timestamp");
        let method = "quorate.v1.Replica/LocalReadTimestamp";
        let mut span = traced::request("LocalReadTimestamp", method, &self.state.pod);
        let result = self.state.fenced(fence, || self.state.stamp(key));
        traced::answered(&mut span, result.as_ref().err());
        Ok(result?.timestamp)
    }

    async fn local_write(
        &self,
        fence: &Fence,
        write: &Write,
        _: Duration,
    ) -> Result<(), ReplicaError> {
        let _in_flight = self.state.metrics.begin("local_write");
        check_written(&write.key, &write.pair)?;
        if active(Mutation::FenceNotAtomicWithStore) {
            self.pass_early(fence).await?;
        }
        let queued = self
            .queue
            .write(*fence, write.key.clone(), write.pair.clone());
        let pod = &self.state.pod;
        let mut span = traced::request("LocalWrite", "quorate.v1.Replica/LocalWrite", pod);
        let result = span.scope(queued).await;
        traced::answered(&mut span, result.as_ref().err());
        result
    }

    async fn local_write_all(
        &self,
        fence: &Fence,
        writes: &Writes,
        _: Duration,
    ) -> Result<(), ReplicaError> {
        let _in_flight = self.state.metrics.begin("local_write_all");
        for (key, pair) in &writes.pairs {
            check_written(key, pair)?;
        }
        self.queue.write_all(*fence, writes.pairs.clone()).await
    }

    async fn scan(
        &self,
        fence: &Fence,
        request: &PageRequest,
        _: Duration,
    ) -> Result<Page, ReplicaError> {
        let _in_flight = self.state.metrics.begin("scan");
        let state = &self.state;
        let page = || {
            state
                .store
                .scan(request)
                .map_err(|error| state.disk_error(error))
        };
        state.fenced(fence, page)
    }

    async fn digest(
        &self,
        fence: &Fence,
        request: &DigestRequest,
        _: Duration,
    ) -> Result<Digest, ReplicaError> {
        let _in_flight = self.state.metrics.begin("digest");
        let state = &self.state;
        state.fenced(fence, || Ok(state.digests.digest(*request)))
    }

    async fn adopt(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        active: bool,
        _: Duration,
    ) -> Result<(), ReplicaError> {
        let _in_flight = self.state.metrics.begin("adopt");
        // A disk never changes its id, so this need not wait for its turn in the queue.
        self.state.check_target(replica_id)?;
        let offered = HeldConfig {
            config: config.clone(),
            active,
        };
        self.queue.adopt(offered).await
    }

    async fn admit(
        &self,
        replica_id: ReplicaId,
        boot: Boot,
        volume: Option<&str>,
        _: Duration,
    ) -> Result<(), ReplicaError> {
        let _in_flight = self.state.metrics.begin("admit");
        self.state.check_target(replica_id)?;
        self.state.check_retired()?;
        self.queue.admit(boot, volume.map(str::to_owned)).await
    }

    async fn retire(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        _: Duration,
    ) -> Result<(), ReplicaError> {
        let _in_flight = self.state.metrics.begin("retire");
        self.state.check_target(replica_id)?;
        self.state.check_retired()?;
        self.queue.retire(config.clone()).await
    }

    async fn advise(
        &self,
        replica_id: ReplicaId,
        advice: Advice,
        _: Duration,
    ) -> Result<(), ReplicaError> {
        let _in_flight = self.state.metrics.begin("advise");
        self.state.check_target(replica_id)?;
        self.departure.advise(advice);
        Ok(())
    }

    async fn identify(&self, _: Duration) -> Result<Identity, ReplicaError> {
        let _in_flight = self.state.metrics.begin("identify");
        self.state.check_retired()?;
        self.state.check_disk()?;
        let config = self.state.config();
        Ok(Identity {
            replica_id: self.state.replica_id,
            pod: self.state.pod.clone(),
            cluster_id: config.as_ref().map(|held| held.config.cluster_id()),
            config,
            keys: self.state.store.keys(),
            disk_full: self.state.metrics.is_disk_full(),
            admitted: self.state.is_admitted(),
            leaving: self.departure.is_under_way(),
            boots: self.state.store.boots(),
        })
    }
}

/// # Errors
/// When this is no pair that was written to the key.
fn check_written(key: &Key, pair: &Pair) -> Result<(), ReplicaError> {
    if pair.timestamp == Timestamp::ZERO {
        return Err(ReplicaError::Invalid {
            problem: "pair.timestamp is zero, which no write has".into(),
        });
    }
    Ok(pair.verify(key)?)
}
