//! Bringing everything that was written to the members that are to come.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use futures::stream::{self, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use quorate_register::mutation::{Mutation, active};
use quorate_register::{
    Buckets, Config, Epoch, Fence, Key, MemberSet, Page, PageRequest, ReplicaError, majority,
};
use tokio::time::Instant;

use crate::membership::View;
use crate::merge::{Newest, Source, merge};

/// How a transfer is made.
#[derive(Debug, Clone, Copy)]
pub struct TransferOptions {
    /// How many bytes of keys and values are asked of a member at once, and held per member.
    pub page_bytes: usize,
    /// How many writes to one member are under way at once.
    pub writes_in_flight: usize,
    /// How long one request waits for its answer, and how long a member is tried in all before
    /// the transfer goes on without it.
    pub request_timeout: Duration,
    /// The part of the time that a transfer works while clients have operations in flight, more
    /// than 0 and at most 1; the rest it pauses.
    pub share: f64,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            page_bytes: 128 << 10,
            writes_in_flight: 512,
            request_timeout: Duration::from_secs(2),
            share: 0.5,
        }
    }
}

/// Why a transfer did not come to its end. Nothing it did needs to be undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// A member is at another config: this one is over.
    #[error("a member is at epoch {} already", .0.epoch())]
    Superseded(Arc<Config>),
    /// No majority of the current group let itself be read.
    #[error("too few of the present members can be read: {0}")]
    Current(String),
    /// No majority of the next group took what there is.
    #[error("too few of the new members take the data: {0}")]
    Next(String),
}

/// What a transfer tells while it runs.
pub(super) trait Observer: Send + Sync {
    /// So many more keys and bytes are at a majority of the next group.
    fn transferred(&self, keys: u64, bytes: u64);
    /// Whether clients have operations in flight.
    fn busy(&self) -> bool;
}

/// Reads everything at a majority of the current group of the joint config of `view`, and stores
/// it at a majority of the next group (PROTOCOL section 4, step 2).
///
/// *Seal, then scan*: every page is read under the joint epoch, which a replica serves only once
/// it durably is there. So whatever an operation of an older epoch stored at a majority was stored
/// before, and one of the members that are read has it. The members are read in step, in the
/// order of scans, so that each key is written once, and not where it already is.
pub(super) async fn transfer(
    view: &View,
    options: &TransferOptions,
    observer: &dyn Observer,
) -> Result<(), TransferError> {
    let quorums = view.config().quorums();
    let next = quorums
        .next()
        .expect("a transfer is made under a joint config");
    let mut transfer = Transfer {
        view,
        options,
        observer,
        next,
        left_behind: MemberSet::EMPTY,
    };
    let (readers, mut sources) = transfer.begin(quorums.current()).await?;
    loop {
        let started = Instant::now();
        transfer.fill(&readers, &mut sources).await?;
        transfer.store(merge(&mut sources)).await?;
        if sources.iter().all(Source::is_done) {
            return Ok(());
        }
        if observer.busy() {
            let pause = (1.0 / options.share - 1.0).max(0.0);
            tokio::time::sleep(started.elapsed().mul_f64(pause)).await;
        }
    }
}

struct Transfer<'a> {
    view: &'a View,
    options: &'a TransferOptions,
    observer: &'a dyn Observer,
    next: MemberSet,
    /// Members of the next group that did not answer in time; repair brings them what they miss.
    left_behind: MemberSet,
}

impl Transfer<'_> {
    /// Those members of the current group that answer first, a majority, and the first page of
    /// each.
    async fn begin(&self, current: MemberSet) -> Result<(Vec<usize>, Vec<Source>), TransferError> {
        let needed = match active(Mutation::ScanOfOneMember) {
            true => 1,
            false => majority(current.len()),
        };
        let mut answers: FuturesUnordered<_> = current
            .iter()
            .map(|member| async move { (member, self.page(member, None).await) }.boxed())
            .collect();
        let (mut readers, mut sources) = (Vec::new(), Vec::new());
        let mut problems = Vec::new();
        while let Some((member, answer)) = answers.next().await {
            match answer {
                Ok(page) => {
                    let mut source = Source::new([member].into_iter().collect());
                    source.take(page);
                    readers.push(member);
                    sources.push(source);
                }
                Err(error) => problems.push(self.problem(member, error)?),
            }
            if sources.len() == needed {
                return Ok((readers, sources));
            }
        }
        Err(TransferError::Current(problems.join("; ")))
    }

    /// Reads on wherever everything read is merged.
    async fn fill(&self, readers: &[usize], sources: &mut [Source]) -> Result<(), TransferError> {
        let empty = readers.iter().zip(sources);
        let empty = empty.filter(|(_, source)| source.must_read());
        let reads = empty.map(|(&member, source)| async move {
            match self.page(member, source.after()).await {
                Ok(page) => {
                    source.take(page);
                    Ok(())
                }
                Err(error) => Err((member, error)),
            }
        });
        let reads: Vec<BoxFuture<'_, _>> = reads.map(FutureExt::boxed).collect();
        for read in join_all(reads).await {
            if let Err((member, error)) = read {
                return Err(TransferError::Current(self.problem(member, error)?));
            }
        }
        Ok(())
    }

    async fn page(&self, member: usize, after: Option<&Key>) -> Result<Page, ReplicaError> {
        let target = self.view.target(member);
        let request = PageRequest {
            after: after.cloned(),
            buckets: Buckets::ALL,
            max_bytes: self.options.page_bytes,
        };
        let limit = self.options.request_timeout;
        if active(Mutation::ScanNotSealed)
            && let Some(fence) = unsealed(self.view.config(), target.fence)
            && let Ok(page) = target.replica.scan(&fence, &request, limit).await
        {
            return Ok(page);
        }
        self.ask(member, || {
            target.replica.scan(&target.fence, &request, limit)
        })
        .await
    }

    /// Stores a batch at every member of the next group that keeps up, at a majority at least.
    async fn store(&mut self, batch: Vec<Newest>) -> Result<(), TransferError> {
        let keeping_up = self
            .next
            .iter()
            .filter(|&it| !self.left_behind.contains(it));
        let this = &*self;
        let pairs = &batch[..];
        let mut writes: FuturesUnordered<_> = keeping_up
            .map(|member| async move { (member, this.store_at(member, pairs).await) }.boxed())
            .collect();
        let mut stored = MemberSet::EMPTY;
        let mut failed = Vec::new();
        while let Some((member, result)) = writes.next().await {
            match result {
                Ok(()) => drop(stored.insert(member)),
                Err(error) => failed.push((member, this.problem(member, error)?)),
            }
        }
        drop(writes);
        for &(member, _) in &failed {
            self.left_behind.insert(member);
        }
        let mut bytes = 0;
        for newest in &batch {
            let holders = newest.holders.union(stored);
            if !holders.has_majority_in(self.next) && !active(Mutation::TransferNotAwaited) {
                let problems: Vec<_> = failed.into_iter().map(|(_, problem)| problem).collect();
                return Err(TransferError::Next(problems.join("; ")));
            }
            let value = newest.pair.value.as_ref();
            bytes += newest.key.bytes().len() + value.map_or(0, bytes::Bytes::len);
        }
        self.observer.transferred(batch.len() as u64, bytes as u64);
        Ok(())
    }

    /// Writes to one member what it does not have yet.
    async fn store_at(&self, member: usize, pairs: &[Newest]) -> Result<(), ReplicaError> {
        if active(Mutation::TransferNotAwaited) {
            return Ok(());
        }
        let lacked = pairs.iter().filter(|it| !it.holders.contains(member));
        let writes: Vec<_> = lacked.map(|it| self.write(member, it).boxed()).collect();
        let mut writes = stream::iter(writes).buffer_unordered(self.options.writes_in_flight);
        while let Some(written) = writes.next().await {
            written?;
        }
        Ok(())
    }

    async fn write(&self, member: usize, newest: &Newest) -> Result<(), ReplicaError> {
        let target = self.view.target(member);
        let write = &newest.write(self.view.config().epoch());
        let limit = self.options.request_timeout;
        self.ask(member, || {
            target.replica.local_write(&target.fence, write, limit)
        })
        .await
    }

    /// Asks until there is an answer, for as long as one request may take; a member that does not
    /// have the config yet is sent it.
    async fn ask<T, F>(&self, member: usize, call: impl Fn() -> F) -> Result<T, ReplicaError>
    where
        F: Future<Output = Result<T, ReplicaError>>,
    {
        let target = self.view.target(member);
        let limit = self.options.request_timeout;
        let deadline = Instant::now() + limit;
        loop {
            let answer = match call().await {
                Err(ReplicaError::NeedConfig | ReplicaError::Fork { .. }) => {
                    let config = self.view.config();
                    let replica_id = target.fence.replica_id;
                    match target.replica.adopt(replica_id, config, true, limit).await {
                        Ok(()) => continue,
                        Err(error) => Err(error),
                    }
                }
                answer => answer,
            };
            match answer {
                Err(error) if error.is_final(true) => return Err(error),
                Err(error @ ReplicaError::StaleEpoch { .. }) => return Err(error),
                Err(error) if Instant::now() + RETRY_PAUSE > deadline => return Err(error),
                Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// What to say of a member's error; one that ends the config ends the transfer.
    fn problem(&self, member: usize, error: ReplicaError) -> Result<String, TransferError> {
        match error {
            ReplicaError::StaleEpoch { config } => Err(TransferError::Superseded(config)),
            error => Ok(format!("{}: {error}", self.view.target(member).pod)),
        }
    }
}

/// How long until a member that did not answer is asked again.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The fence of the epoch before, under which nothing is sealed.
fn unsealed(config: &Config, fence: Fence) -> Option<Fence> {
    let parent = config.parts().ancestors.first()?;
    Some(Fence {
        config_id: *parent,
        epoch: Epoch {
            number: fence.epoch.number - 1,
            ..fence.epoch
        },
        ..fence
    })
}
