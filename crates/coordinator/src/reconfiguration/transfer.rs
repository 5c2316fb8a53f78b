//! Bringing everything that was written to the members that are to come.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all, try_join_all};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use quorate_register::mutation::{Mutation, active};
use quorate_register::{
    Buckets, Config, Epoch, Fence, Key, MemberSet, Page, PageRequest, ReplicaError, majority,
};
use tokio::time::Instant;

use crate::membership::View;
use crate::merge::{Newest, Source, lacked_by, merge};

/// How a transfer is made.
///
/// What is held in memory at once is at most `ranges` × members × (`page_bytes` and one value).
#[derive(Debug, Clone, Copy)]
pub struct TransferOptions {
    /// How many ranges of buckets are transferred at once.
    pub ranges: usize,
    /// How many bytes of keys and values are asked of a member at once.
    pub page_bytes: usize,
    /// How long one request waits for its answer, and how long a member is tried in all before
    /// the transfer goes on without it.
    pub request_timeout: Duration,
    /// The part of the time that each range is worked on while clients have operations in flight,
    /// more than 0 and at most 1; the rest it pauses.
    pub share: f64,
}

impl Default for TransferOptions {
    fn default() -> Self {
        Self {
            ranges: 8,
            page_bytes: 128 << 10,
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
    let ranges = Buckets::ALL.parts(options.ranges).map(|buckets| {
        let range = Range {
            view,
            options,
            observer,
            buckets,
            next,
            not_read: MemberSet::EMPTY,
            left_behind: MemberSet::EMPTY,
        };
        range.transfer(quorums.current()).boxed()
    });
    try_join_all(ranges).await.map(drop)
}

/// The transfer of some buckets.
struct Range<'a> {
    view: &'a View,
    options: &'a TransferOptions,
    observer: &'a dyn Observer,
    buckets: Buckets,
    next: MemberSet,
    /// Members of the current group that are not read.
    not_read: MemberSet,
    /// Members of the next group that did not answer in time; repair brings them what they miss.
    left_behind: MemberSet,
}

impl Range<'_> {
    async fn transfer(mut self, current: MemberSet) -> Result<(), TransferError> {
        let (readers, mut sources) = self.begin(current).await?;
        self.not_read = current.difference(readers.iter().copied().collect());
        loop {
            let started = Instant::now();
            self.fill(&readers, &mut sources).await?;
            self.store(merge(&mut sources)).await?;
            if sources.iter().all(Source::is_done) {
                return Ok(());
            }
            if self.observer.busy() {
                let pause = (1.0 / self.options.share - 1.0).max(0.0);
                tokio::time::sleep(started.elapsed().mul_f64(pause)).await;
            }
        }
    }

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
            buckets: self.buckets,
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

    /// Stores a batch at a majority of the next group: at those that came or were read, as far as
    /// they keep up, and at the others where those are too few. Others that lack something get it
    /// from repair.
    async fn store(&mut self, batch: Vec<Newest>) -> Result<(), TransferError> {
        let mut problems = Vec::new();
        let first = self.next.difference(self.not_read);
        let next = self.next;
        let are_enough = |stored: MemberSet| {
            let mut holders = batch.iter().map(|newest| newest.holders.union(stored));
            holders.all(|holders| holders.has_majority_in(next))
        };
        let mut stored = self.store_at_each(first, &batch, &mut problems).await?;
        if !are_enough(stored) {
            let others = self.next.intersection(self.not_read);
            let more = self.store_at_each(others, &batch, &mut problems).await?;
            stored = stored.union(more);
        }
        if !are_enough(stored) && !active(Mutation::TransferNotAwaited) {
            return Err(TransferError::Next(problems.join("; ")));
        }
        let bytes = batch.iter().map(|newest| {
            let value = newest.pair.value.as_ref();
            newest.key.bytes().len() + value.map_or(0, bytes::Bytes::len)
        });
        let bytes: usize = bytes.sum();
        self.observer.transferred(batch.len() as u64, bytes as u64);
        Ok(())
    }

    /// Stores a batch at these members, and returns at which it is; why it is not at the others
    /// joins the problems.
    async fn store_at_each(
        &mut self,
        members: MemberSet,
        batch: &[Newest],
        problems: &mut Vec<String>,
    ) -> Result<MemberSet, TransferError> {
        let this = &*self;
        let keeping_up = members.difference(this.left_behind);
        let writes = keeping_up
            .iter()
            .map(|member| async move { (member, this.store_at(member, batch).await) }.boxed());
        let (mut stored, mut failed) = (MemberSet::EMPTY, MemberSet::EMPTY);
        for (member, result) in join_all(writes).await {
            match result {
                Ok(()) => stored.insert(member),
                Err(error) => {
                    problems.push(this.problem(member, error)?);
                    failed.insert(member)
                }
            };
        }
        self.left_behind = self.left_behind.union(failed);
        Ok(stored)
    }

    /// Writes to one member what it does not have yet.
    async fn store_at(&self, member: usize, batch: &[Newest]) -> Result<(), ReplicaError> {
        if active(Mutation::TransferNotAwaited) {
            return Ok(());
        }
        let target = self.view.target(member);
        let limit = self.options.request_timeout;
        for writes in &lacked_by(member, batch, self.view.config().epoch()) {
            let write = || target.replica.local_write_all(&target.fence, writes, limit);
            self.ask(member, write).await?;
        }
        Ok(())
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
