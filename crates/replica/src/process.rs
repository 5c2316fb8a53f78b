//! A replica that runs: its committer on a thread of its own.

use std::sync::{Arc, Weak};
use std::thread;

use futures::executor::block_on;
use quorate_register::StandIn;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{
    Ended, LocalReplica, ReplicaHost, ReplicaMetrics, ReplicaOptions, RunError, Store, StoreError,
};

/// The disk of a replica, which is opened again once it is retired.
pub trait Disk: Send + Sync + 'static {
    /// What opening it gives.
    type Store: Store;

    /// Opens the disk, and begins a boot on it. A disk that is marked as retired is wiped first
    /// and gets a new id. It may block.
    ///
    /// # Errors
    /// When the disk cannot be used, or the boot cannot be made durable.
    fn open(&self) -> Result<(Self::Store, ReplicaOptions), RunError>;

    /// Frees the disk of a store that is retired, so that it can be opened again. It may block.
    fn release(&self, store: &Self::Store);
}

/// A replica and the threads that commit for it, one after the other.
pub struct RunningReplica<D: Disk> {
    /// The place of the replica. The thread ends once it is dropped.
    pub replica: Arc<ReplicaHost<D::Store>>,
    /// How it ends.
    pub committer: Committing<D>,
}

/// What commits for the replica in one place.
pub struct Committing<D: Disk> {
    disk: Arc<D>,
    metrics: ReplicaMetrics,
    /// The thread ends once the place is dropped; this must not hold it.
    host: Weak<ReplicaHost<D::Store>>,
    stage: Stage,
}

/// What is waited for.
enum Stage {
    /// A replica serves.
    Serving(CommitThread),
    /// Its disk is retired, and wiped on a thread that may block.
    Wiping(JoinHandle<Result<CommitThread, RunError>>),
}

/// The thread that commits for one replica.
struct CommitThread {
    ended: oneshot::Receiver<Result<Ended, StoreError>>,
}

impl<D: Disk> Committing<D> {
    /// Waits until the replica ends. One whose disk is retired does not: the disk is wiped, and
    /// the replica goes on with a new id. Somebody must wait for that to happen; the future may
    /// be dropped and made again at any time.
    ///
    /// # Errors
    /// When the store failed. Nothing was acknowledged that was not durable, but the process
    /// must end, since only a new start reads what the disk really has.
    pub async fn ended(&mut self) -> Result<(), RunError> {
        loop {
            match &mut self.stage {
                Stage::Serving(thread) => match thread.ended().await? {
                    Ended::Stopped => return Ok(()),
                    Ended::Retired => {
                        let Some(wiping) = self.begin_anew() else {
                            // Whoever opens the disk next wipes it.
                            return Ok(());
                        };
                        self.stage = Stage::Wiping(wiping);
                    }
                },
                Stage::Wiping(wiping) => {
                    let wiped = wiping.await.map_err(|error| StoreError::Failed {
                        problem: format!("a retired disk was not wiped: {error}"),
                    })?;
                    self.stage = Stage::Serving(wiped?);
                }
            }
        }
    }

    /// Wipes the retired disk and puts the replica that it becomes in the place; `None` when
    /// nobody has the place any more.
    fn begin_anew(&self) -> Option<JoinHandle<Result<CommitThread, RunError>>> {
        let host = self.host.upgrade()?;
        let (disk, metrics) = (self.disk.clone(), self.metrics.clone());
        Some(tokio::task::spawn_blocking(move || {
            disk.release(host.current().store());
            let (store, options) = disk.open()?;
            let (replica, thread) = start_thread(store, options, metrics)?;
            host.replace(replica);
            Ok(thread)
        }))
    }
}

impl CommitThread {
    async fn ended(&mut self) -> Result<Ended, StoreError> {
        // A thread that panicked says nothing; what it was about to do is as unknown as after
        // a failed write.
        (&mut self.ended).await.unwrap_or_else(|_| {
            Err(StoreError::Failed {
                problem: "the committer panicked".into(),
            })
        })
    }
}

/// Opens the disk and starts the replica on it.
///
/// # Errors
/// When the disk cannot be used, or the operating system has no thread left.
pub fn start<D: Disk>(disk: D, metrics: ReplicaMetrics) -> Result<RunningReplica<D>, RunError> {
    let (store, options) = disk.open()?;
    let (replica, thread) = start_thread(store, options, metrics.clone())?;
    let host = Arc::new(ReplicaHost::new(replica));
    let committer = Committing {
        disk: Arc::new(disk),
        metrics,
        host: Arc::downgrade(&host),
        stage: Stage::Serving(thread),
    };
    Ok(RunningReplica {
        replica: host,
        committer,
    })
}

fn start_thread<S: Store>(
    store: S,
    options: ReplicaOptions,
    metrics: ReplicaMetrics,
) -> Result<(LocalReplica<S>, CommitThread), RunError> {
    let name = format!("commit {}", options.pod);
    let (replica, committer) = LocalReplica::new(store, options, metrics);
    let (end, ended) = oneshot::channel();
    let work = move || {
        let result = block_on(committer.run());
        // Nobody waits for a process that ends anyhow.
        let _ = end.send(result);
    };
    let thread = thread::Builder::new().name(name).spawn(work);
    thread.map_err(RunError::Thread)?;
    Ok((replica, CommitThread { ended }))
}
