//! A replica that does as a test says.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quorate_register::{Config, Fence, Key, Pair, Replica, ReplicaError, ReplicaId, Write};
use quorate_replica::memory::{MemoryDisk, MemoryStore};
use quorate_replica::{LocalReplica, ReplicaMetrics, ReplicaOptions};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

mod replica;

/// What the replica does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// What a replica does.
    Serve,
    /// The same, but begins so much later.
    ServeAfter(Duration),
    /// The same, but nobody ever hears of it.
    ServeSilently,
    /// Nothing, for ever.
    Hang,
    /// Fails without doing anything.
    Fail(ReplicaError),
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) method: &'static str,
    pub(crate) fence: Option<Fence>,
    pub(crate) write: Option<Write>,
    /// What was to be adopted, and whether it was said to be active.
    pub(crate) offered: Option<(Arc<Config>, bool)>,
    pub(crate) timeout: Duration,
}

type Script = Box<dyn FnMut(&Seen) -> Act + Send>;

/// A real replica over a disk in memory, behind a script. It can be killed and revived.
pub(crate) struct Scripted {
    pub(crate) pod: String,
    pub(crate) replica_id: ReplicaId,
    pub(crate) disk: Arc<MemoryDisk>,
    pub(crate) metrics: ReplicaMetrics,
    script: Mutex<Script>,
    seen: Mutex<Option<Vec<Seen>>>,
    life: Mutex<Life>,
    inside: AtomicI64,
}

struct Life {
    replica: LocalReplica<MemoryStore>,
    committer: JoinHandle<()>,
    dead: CancellationToken,
}

impl Scripted {
    /// A replica whose disk never held a config, and that serves whatever comes.
    pub(crate) fn new(pod: &str, replica_id: ReplicaId, metrics: ReplicaMetrics) -> Arc<Self> {
        let disk = Arc::new(MemoryDisk::default());
        let life = live(pod, replica_id, &disk, &metrics);
        Arc::new(Self {
            pod: pod.to_owned(),
            replica_id,
            disk,
            metrics,
            script: Mutex::new(Box::new(|_| Act::Serve)),
            seen: Mutex::new(Some(Vec::new())),
            life: Mutex::new(life),
            inside: AtomicI64::new(0),
        })
    }

    /// Decides by `script` from now on.
    pub(crate) fn script(&self, script: impl FnMut(&Seen) -> Act + Send + 'static) {
        *self.script.lock() = Box::new(script);
    }

    /// Treats all requests of this method so, and serves the others.
    pub(crate) fn on(&self, method: &'static str, act: Act) {
        self.script(move |seen| match seen.method == method {
            true => act.clone(),
            false => Act::Serve,
        });
    }

    /// Treats all requests so.
    pub(crate) fn always(&self, act: Act) {
        self.script(move |_| act.clone());
    }

    /// Remembers requests no longer, for tests that send very many.
    pub(crate) fn forget(&self) {
        *self.seen.lock() = None;
    }

    /// The requests of this method so far.
    pub(crate) fn seen(&self, method: &str) -> Vec<Seen> {
        let seen = self.seen.lock();
        let seen = seen.iter().flatten();
        seen.filter(|seen| seen.method == method).cloned().collect()
    }

    /// Forgets the requests so far.
    pub(crate) fn clear(&self) {
        *self.seen.lock() = Some(Vec::new());
    }

    /// The replica behind the script.
    pub(crate) fn replica(&self) -> LocalReplica<MemoryStore> {
        self.life.lock().replica.clone()
    }

    /// The pair it has stored under a key.
    pub(crate) fn stored(&self, key: &Key) -> Option<Pair> {
        let pairs = self.disk.pairs();
        let pair = pairs.into_iter().find(|(stored, _)| stored == key);
        pair.map(|(_, pair)| pair)
    }

    /// Stores a pair past the script, as an earlier operation would have.
    pub(crate) async fn put(&self, config: &Config, key: &Key, pair: &Pair) {
        let write = Write {
            key: key.clone(),
            pair: pair.clone(),
            origin: config.epoch(),
        };
        let fence = Fence::new(config, self.replica_id);
        let replica = self.replica();
        let stored = replica.local_write(&fence, &write, Duration::from_secs(1));
        stored.await.expect("a replica that serves this config");
    }

    /// Adopts a config past the script.
    pub(crate) async fn hold(&self, config: &Arc<Config>) {
        let replica = self.replica();
        let adopted = replica.adopt(self.replica_id, config, false, Duration::from_secs(1));
        adopted.await.expect("a config that it may adopt");
    }

    /// How many requests it is working on, or pretends to.
    pub(crate) fn in_flight(&self) -> i64 {
        self.inside.load(Ordering::Relaxed) + self.metrics.requests_in_flight()
    }

    /// Ends the replica in the middle of whatever it does; what is synced stays on its disk.
    pub(crate) fn kill(&self) {
        let life = self.life.lock();
        life.dead.cancel();
        life.committer.abort();
    }

    /// Starts it again, from its disk.
    pub(crate) fn revive(&self) {
        let mut current = self.life.lock();
        if current.dead.is_cancelled() {
            *current = live(&self.pod, self.replica_id, &self.disk, &self.metrics);
        }
    }

    /// Starts it again, from its disk, under another name.
    pub(crate) fn rename(&self, pod: &str) {
        self.kill();
        *self.life.lock() = live(pod, self.replica_id, &self.disk, &self.metrics);
    }

    async fn play<T, F>(
        &self,
        seen: Seen,
        serve: impl FnOnce(LocalReplica<MemoryStore>) -> F,
    ) -> Result<T, ReplicaError>
    where
        F: Future<Output = Result<T, ReplicaError>>,
    {
        let _inside = Inside::enter(&self.inside);
        let (replica, dead) = {
            let life = self.life.lock();
            (life.replica.clone(), life.dead.clone())
        };
        if dead.is_cancelled() {
            return unreachable("connection refused");
        }
        let limit = seen.timeout;
        let act = (self.script.lock())(&seen);
        if let Some(all) = &mut *self.seen.lock() {
            all.push(seen);
        }
        let acting = async {
            match act {
                Act::Serve => serve(replica).await,
                Act::ServeAfter(delay) => {
                    sleep(delay).await;
                    serve(replica).await
                }
                Act::ServeSilently => {
                    let _ = serve(replica).await;
                    pending().await
                }
                Act::Hang => pending().await,
                Act::Fail(error) => Err(error),
            }
        };
        tokio::select! {
            biased;
            () = dead.cancelled() => unreachable("connection reset"),
            // As a replica behind a network.
            result = timeout(limit, acting) => {
                result.unwrap_or(Err(ReplicaError::TimedOut { waited: limit }))
            }
        }
    }
}

fn live(
    pod: &str,
    replica_id: ReplicaId,
    disk: &Arc<MemoryDisk>,
    metrics: &ReplicaMetrics,
) -> Life {
    let options = ReplicaOptions::new(replica_id, pod);
    let store = MemoryStore::open(disk.clone());
    let (replica, committer) = LocalReplica::new(store, options, metrics.clone());
    let committer = tokio::spawn(async move {
        committer.run().await.expect("a disk in memory");
    });
    Life {
        replica,
        committer,
        dead: CancellationToken::new(),
    }
}

fn unreachable<T>(problem: &str) -> Result<T, ReplicaError> {
    Err(ReplicaError::Unreachable {
        problem: problem.into(),
    })
}

/// A request inside the replica, however it leaves.
struct Inside<'a>(&'a AtomicI64);

impl<'a> Inside<'a> {
    fn enter(count: &'a AtomicI64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
