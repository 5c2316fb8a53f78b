//! A machine with a disk, on which a replica's process runs, dies and starts again.

use std::fmt;
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use prometheus::Registry;
use quorate_replica::memory::MemoryStore;
use quorate_replica::{
    CommitLimits, Ended, LocalReplica, ReplicaMetrics, ReplicaOptions, StoreError, begin_boot,
};
use tokio::task::AbortHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::disk::Disk;
use super::request::{Kind, ReplicaAnswer, ReplicaRequest};
use crate::gate::Gate;
use crate::network::{Host, Served};
use crate::random::Random;
use crate::settings::{Lags, Settings};
use crate::trace::Trace;

/// The machine of one replica.
pub(crate) struct ReplicaHost {
    /// Itself, for the task of its committer.
    this: Weak<Self>,
    pod: String,
    commit: CommitLimits,
    cached_timestamps: usize,
    boots_counted: bool,
    sync_ms: RangeInclusive<u64>,
    lagging: Lagging,
    random: Random,
    /// For the nonces of boots.
    nonces: Random,
    trace: Trace,
    gate: Gate,
    disk: Disk,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    process: Option<Process>,
    /// The run is over.
    stopped: bool,
    /// Those of every process there was.
    metrics: Vec<ReplicaMetrics>,
}

struct Process {
    replica: LocalReplica<MemoryStore>,
    committer: AbortHandle,
    dead: CancellationToken,
}

/// Which kinds of requests are late here, and by how much.
struct Lagging {
    kinds: Vec<Kind>,
    most_ms: u64,
    random: Random,
}

impl Lagging {
    fn new(settings: &Settings, pod: &str) -> Self {
        let random = Random::new(settings.seed, &format!("{pod} lags"));
        let Lags { share, most_ms } = settings.lags.clone().unwrap_or_default();
        let late = |_: &Kind| random.chance(share);
        Self {
            kinds: Kind::ALL.into_iter().filter(late).collect(),
            most_ms,
            random,
        }
    }

    async fn wait(&self, kind: Kind) {
        if self.kinds.contains(&kind) {
            sleep(self.random.milliseconds(0..=self.most_ms)).await;
        }
    }
}

impl ReplicaHost {
    /// A machine with an empty disk and no process yet.
    pub(crate) fn new(index: usize, settings: &Settings, trace: Trace) -> Arc<Self> {
        let pod = format!("r{index}");
        let random = Random::new(settings.seed, &pod);
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            commit: settings.commit,
            cached_timestamps: settings.cached_timestamps,
            boots_counted: settings.boots_counted,
            sync_ms: settings.sync_ms.clone(),
            lagging: Lagging::new(settings, &pod),
            disk: Disk::new(&random),
            nonces: Random::new(settings.seed, &format!("{pod} boots")),
            random,
            trace,
            gate: Gate::default(),
            state: Mutex::default(),
            pod,
        })
    }

    /// The name of its pod.
    pub(crate) fn pod(&self) -> &str {
        &self.pod
    }

    /// The disk, which outlives the process.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Starts the process on what the disk has; `false` when one is running.
    pub(crate) fn start(&self) -> bool {
        let mut state = self.state.lock();
        if state.process.is_some() || state.stopped {
            return false;
        }
        // A disk that was full or failing works again for the new process.
        self.disk.memory().set_free_bytes(u64::MAX);
        let store = MemoryStore::open(self.disk.memory().clone());
        let options = ReplicaOptions {
            limits: self.commit,
            cached_timestamps: self.cached_timestamps,
            admitted: self.begin_boot(&store),
            ..ReplicaOptions::new(self.disk.replica_id(), &self.pod)
        };
        let metrics = ReplicaMetrics::new(&Registry::new(), &self.pod);
        let metrics = metrics.expect("the registry is empty");
        state.metrics.push(metrics.clone());
        let (replica, committer) = LocalReplica::new(store, options, metrics);
        let dead = CancellationToken::new();
        let (this, process_dead) = (self.this.clone(), dead.clone());
        let committer = tokio::spawn(async move {
            let Some(host) = this.upgrade() else { return };
            match host.gate.hold(committer.run()).await {
                Ok(Ended::Stopped) => {}
                Ok(Ended::Retired) => host.begin_anew(&process_dead),
                Err(error) => host.failed(&process_dead, &error),
            }
        });
        state.process = Some(Process {
            replica,
            committer: committer.abort_handle(),
            dead,
        });
        self.note("replica started", &"starts");
        true
    }

    /// Begins a boot on the disk, if boots are counted; `true` when the replica may serve at once. A process whose sync
    /// fails here ends and is started again, of which nobody notices anything.
    fn begin_boot(&self, store: &MemoryStore) -> bool {
        if !self.boots_counted {
            return true;
        }
        self.disk.memory().set_sync_duration(Duration::ZERO);
        loop {
            let begun = begin_boot(store, true, None, &self.nonces);
            if let Ok(admitted) = begun.now_or_never().expect("this sync takes no time") {
                return admitted;
            }
        }
    }

    /// Ends the process at once: what is not synced is lost. `false` when none is running.
    pub(crate) fn crash(&self) -> bool {
        let Some(process) = self.state.lock().process.take() else {
            return false;
        };
        self.disk.observe();
        process.dead.cancel();
        process.committer.abort();
        self.gate.open();
        self.note("replica crashed", &"crashes");
        true
    }

    /// A store that failed ends its process, as a replica's `main` does; whoever runs it there
    /// starts it again.
    fn failed(&self, dead: &CancellationToken, error: &StoreError) {
        if dead.is_cancelled() {
            return;
        }
        self.note("sync failed", &format!("{error}: the process ends"));
        let restart_after = self.random.milliseconds(1..=200);
        let this = self.this.clone();
        tokio::spawn(async move {
            tokio::time::sleep(restart_after).await;
            if let Some(host) = this.upgrade() {
                host.start();
            }
        });
        self.crash();
    }

    /// Wipes a retired disk, and starts a process on the one it becomes.
    fn begin_anew(&self, dead: &CancellationToken) {
        if dead.is_cancelled() {
            return;
        }
        self.crash();
        self.wipe();
        self.start();
    }

    /// Ends the process in good order and for ever.
    pub(crate) fn stop(&self) {
        self.resume();
        let mut state = self.state.lock();
        state.stopped = true;
        state.process = None;
    }

    /// Empties the disk, while no process runs.
    pub(crate) fn wipe(&self) {
        let stopped = self.state.lock().process.is_none();
        assert!(stopped, "no process runs on a disk that is wiped");
        self.disk.wipe(&self.random);
        self.note("disk wiped", &"the disk is wiped");
    }

    /// Puts an old copy in the place of what is on the disk, while no process runs; `false` when
    /// there is none.
    pub(crate) fn restore(&self) -> bool {
        let stopped = self.state.lock().process.is_none();
        assert!(stopped, "no process runs on a disk that is restored");
        let restored = self.disk.restore();
        if restored {
            self.note("disk restored", &"an old copy of the disk is put back");
        }
        restored
    }

    fn note(&self, kind: &'static str, text: &dyn fmt::Display) {
        self.trace.event(kind, format_args!("{}: {text}", self.pod));
    }

    /// Stops the process without ending it.
    pub(crate) fn pause(&self) {
        self.gate.close();
        self.note("replica paused", &"is paused");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        if self.gate.open() {
            self.note("replica resumed", &"goes on");
        }
    }

    /// The process that runs, and what tells of its death.
    pub(crate) fn process(&self) -> Option<(LocalReplica<MemoryStore>, CancellationToken)> {
        let state = self.state.lock();
        let process = state.process.as_ref();
        process.map(|process| (process.replica.clone(), process.dead.clone()))
    }

    /// Lets what a process does go on only while it is not paused.
    pub(crate) async fn hold<F: Future>(&self, doing: F) -> F::Output {
        self.gate.hold(doing).await
    }

    /// Draws how long the next sync takes.
    pub(crate) fn draw_sync(&self) {
        let duration = self.random.milliseconds(self.sync_ms.clone());
        self.disk.memory().set_sync_duration(duration);
        let duration = self.random.milliseconds(self.sync_ms.clone());
        self.disk.memory().set_publish_duration(duration);
    }

    /// The violations that all its processes counted; `forks` among them or not.
    pub(crate) fn violations(&self, forks: bool) -> u64 {
        let state = self.state.lock();
        let counted = |metrics: &ReplicaMetrics| match forks {
            true => metrics.violations(),
            false => metrics.violations() - metrics.forks(),
        };
        state.metrics.iter().map(counted).sum()
    }

    /// The requests that all its processes count as in flight.
    pub(crate) fn requests_in_flight(&self) -> i64 {
        let state = self.state.lock();
        let metrics = state.metrics.iter();
        metrics.map(ReplicaMetrics::requests_in_flight).sum()
    }
}

impl Host for ReplicaHost {
    type Request = ReplicaRequest;
    type Answer = ReplicaAnswer;

    async fn serve(&self, request: ReplicaRequest) -> Served<ReplicaAnswer> {
        // A machine that is paused takes connections and does nothing with them.
        self.gate.hold(std::future::ready(())).await;
        let Some((replica, dead)) = self.process() else {
            return Served::Refused;
        };
        if request.stores() {
            self.draw_sync();
        }
        let perform = async {
            self.lagging.wait(request.kind()).await;
            request.perform(&replica).await
        };
        let served = tokio::select! {
            biased;
            () = dead.cancelled() => Served::Died,
            answer = self.gate.hold(perform) => Served::Answered(answer),
        };
        self.disk.observe();
        served
    }
}

#[cfg(test)]
mod tests;
