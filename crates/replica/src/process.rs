//! A replica that runs: its committer on a thread of its own.

use std::thread;

use futures::executor::block_on;
use tokio::sync::oneshot;

use crate::{LocalReplica, ReplicaMetrics, ReplicaOptions, Store, StoreError};

/// A replica and the thread that commits for it.
pub struct RunningReplica<S> {
    /// The replica. The thread ends once all clones are dropped.
    pub replica: LocalReplica<S>,
    /// How the thread ended.
    pub committer: CommitThread,
}

/// The thread that commits for one replica.
pub struct CommitThread {
    ended: oneshot::Receiver<Result<(), StoreError>>,
}

impl CommitThread {
    /// Waits until the thread ends.
    ///
    /// # Errors
    /// When the store failed. Nothing was acknowledged that was not durable, but the process
    /// must end, since only a new start reads what the disk really has.
    pub async fn ended(&mut self) -> Result<(), StoreError> {
        // A thread that panicked says nothing; what it was about to do is as unknown as after
        // a failed write.
        (&mut self.ended).await.unwrap_or_else(|_| {
            Err(StoreError::Failed {
                problem: "the committer panicked".into(),
            })
        })
    }
}

/// Starts a replica over `store`.
///
/// # Errors
/// When the operating system has no thread left.
pub fn start<S: Store>(
    store: S,
    options: ReplicaOptions,
    metrics: ReplicaMetrics,
) -> std::io::Result<RunningReplica<S>> {
    let name = format!("commit {}", options.pod);
    let (replica, committer) = LocalReplica::new(store, options, metrics);
    let (end, ended) = oneshot::channel();
    thread::Builder::new().name(name).spawn(move || {
        let result = block_on(committer.run());
        // Nobody waits for a process that ends anyhow.
        let _ = end.send(result);
    })?;
    let committer = CommitThread { ended };
    Ok(RunningReplica { replica, committer })
}
