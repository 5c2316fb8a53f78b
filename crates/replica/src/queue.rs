//! What waits for the committer: bounded in number and in bytes, refused when full.

use std::sync::Arc;

use quorate_register::{Boot, Config, Fence, HeldConfig, Key, Pair, ReplicaError};
use quorate_trace::Parent;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Limits of the commit queue and of the batches formed from it.
#[derive(Debug, Clone, Copy)]
pub struct CommitLimits {
    /// The most entries that wait; more are refused.
    pub queued_entries: usize,
    /// The most bytes of keys and values that wait; more are refused.
    pub queued_bytes: usize,
    /// The most entries of one batch.
    pub batch_entries: usize,
    /// No entry joins a batch that has so many bytes already.
    pub batch_bytes: usize,
}

impl Default for CommitLimits {
    fn default() -> Self {
        Self {
            queued_entries: 16_384,
            // Two values of the largest size that a coordinator can be set to.
            queued_bytes: 160 << 20,
            batch_entries: 1024,
            batch_bytes: 4 << 20,
        }
    }
}

/// What the caller of an entry waits for.
pub(crate) type Answer = oneshot::Sender<Result<(), ReplicaError>>;

/// One thing to commit, and who waits for it.
pub(crate) enum Entry {
    Write(QueuedWrite),
    WriteAll(QueuedWrites),
    Adopt {
        offered: HeldConfig,
        answer: Answer,
    },
    Admit {
        boot: Boot,
        volume: Option<String>,
        answer: Answer,
    },
    Retire {
        config: Arc<Config>,
        answer: Answer,
    },
}

/// A write on its way to a batch.
pub(crate) struct QueuedWrite {
    pub(crate) fence: Fence,
    pub(crate) key: Key,
    pub(crate) pair: Pair,
    pub(crate) answer: Answer,
    /// The span of the request, if that is sampled.
    pub(crate) trace: Parent,
    /// Its share of the queue's bytes, given back when it is answered.
    bytes: OwnedSemaphorePermit,
}

impl QueuedWrite {
    /// Bytes of key and value.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.num_permits()
    }
}

/// Writes on their way to a batch together.
pub(crate) struct QueuedWrites {
    pub(crate) fence: Fence,
    pub(crate) pairs: Vec<(Key, Pair)>,
    pub(crate) answer: Answer,
    /// As of [`QueuedWrite`].
    bytes: OwnedSemaphorePermit,
}

impl QueuedWrites {
    /// Bytes of keys and values.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.num_permits()
    }
}

fn write_bytes(key: &Key, pair: &Pair) -> usize {
    key.bytes().len() + pair.value.as_ref().map_or(0, |value| value.len())
}

/// The end of the queue that callers push to.
#[derive(Clone)]
pub(crate) struct CommitQueue {
    entries: mpsc::Sender<Entry>,
    bytes: Arc<Semaphore>,
    limits: CommitLimits,
}

impl CommitQueue {
    pub(crate) fn new(limits: CommitLimits) -> (Self, mpsc::Receiver<Entry>) {
        let (entries, receiver) = mpsc::channel(limits.queued_entries);
        let bytes = Arc::new(Semaphore::new(limits.queued_bytes));
        let queue = Self {
            entries,
            bytes,
            limits,
        };
        (queue, receiver)
    }

    /// How many entries wait.
    pub(crate) fn len(&self) -> usize {
        self.limits.queued_entries - self.entries.capacity()
    }

    /// Queues a write and waits until it is answered. Dropping the future takes the write
    /// out of the queue, unless its batch is formed already.
    pub(crate) async fn write(
        &self,
        fence: Fence,
        key: Key,
        pair: Pair,
    ) -> Result<(), ReplicaError> {
        let bytes = self.acquire(write_bytes(&key, &pair))?;
        self.ask(|answer| {
            Entry::Write(QueuedWrite {
                fence,
                key,
                pair,
                answer,
                trace: Parent::current(),
                bytes,
            })
        })
        .await
    }

    /// Queues writes and waits until they are answered, as [`Self::write`] does.
    pub(crate) async fn write_all(
        &self,
        fence: Fence,
        pairs: Vec<(Key, Pair)>,
    ) -> Result<(), ReplicaError> {
        let bytes = pairs.iter().map(|(key, pair)| write_bytes(key, pair));
        let bytes = self.acquire(bytes.sum())?;
        self.ask(|answer| {
            Entry::WriteAll(QueuedWrites {
                fence,
                pairs,
                answer,
                bytes,
            })
        })
        .await
    }

    /// A share of the queue's bytes.
    fn acquire(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ReplicaError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = self.bytes.clone().try_acquire_many_owned(bytes);
        permit.map_err(|_| self.overloaded())
    }

    /// Queues an adoption and waits until it is answered.
    pub(crate) async fn adopt(&self, offered: HeldConfig) -> Result<(), ReplicaError> {
        self.ask(|answer| Entry::Adopt { offered, answer }).await
    }

    /// Queues an admission and waits until it is answered.
    pub(crate) async fn admit(
        &self,
        boot: Boot,
        volume: Option<String>,
    ) -> Result<(), ReplicaError> {
        let entry = |answer| Entry::Admit {
            boot,
            volume,
            answer,
        };
        self.ask(entry).await
    }

    /// Queues a retirement and waits until it is answered.
    pub(crate) async fn retire(&self, config: Arc<Config>) -> Result<(), ReplicaError> {
        self.ask(|answer| Entry::Retire { config, answer }).await
    }

    async fn ask(&self, entry: impl FnOnce(Answer) -> Entry) -> Result<(), ReplicaError> {
        let (answer, answered) = oneshot::channel();
        self.push(entry(answer))?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn push(&self, entry: Entry) -> Result<(), ReplicaError> {
        use mpsc::error::TrySendError;
        self.entries.try_send(entry).map_err(|error| match error {
            TrySendError::Full(_) => self.overloaded(),
            TrySendError::Closed(_) => stopped(),
        })
    }

    fn overloaded(&self) -> ReplicaError {
        ReplicaError::Overloaded {
            limit: self.limits.queued_entries,
        }
    }
}

/// The committer ended; what it had not answered may be on the disk all the same.
fn stopped() -> ReplicaError {
    ReplicaError::Unreachable {
        problem: "the replica is stopping".into(),
    }
}
