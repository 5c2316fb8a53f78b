//! The loop that makes writes and configs durable, one batch after the other.

use std::collections::HashMap;
use std::sync::Arc;

use quorate_register::fence::{Adoption, judge_adoption};
use quorate_register::mutation::{Mutation, active};
use quorate_register::retirement::judge_retirement;
use quorate_register::{
    Boot, Buckets, Config, HeldConfig, Key, PageRequest, Pair, ReplicaError, Timestamp,
};
use quorate_trace::Parent;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::digests::Count;
use crate::queue::{Answer, CommitLimits, Entry, QueuedWrite, QueuedWrites};
use crate::state::{Stamp, State};
use crate::{InstanceDirectory, Store, StoreError, traced};

/// Empties one replica's commit queue.
///
/// A plain future without a runtime of its own: a thread drives it in production, a task in a
/// simulation. Exactly one exists per replica, which is what makes "compare with what is
/// stored, then store" one step.
pub struct Committer<S> {
    pub(crate) state: Arc<State<S>>,
    pub(crate) entries: mpsc::Receiver<Entry>,
    pub(crate) limits: CommitLimits,
    pub(crate) reserved_bytes: u64,
    /// How far the pairs on disk are counted for digests.
    pub(crate) count: Count,
    pub(crate) instance: Option<InstanceDirectory>,
}

/// How a committer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every handle of the replica is dropped.
    Stopped,
    /// The disk is marked as retired, and nothing on it is served any more. Whoever runs the
    /// replica opens the disk again, which wipes it.
    Retired,
}

impl<S: Store> Committer<S> {
    /// Commits until every handle of the replica is dropped and the queue is empty, or until the
    /// replica is retired; what is queued behind that is not answered.
    ///
    /// # Errors
    /// When the store failed. Whatever was not answered then is in an unknown state, and the
    /// process must end: only a new start reads what the disk really has.
    pub async fn run(mut self) -> Result<Ended, StoreError> {
        let mut queued = Vec::with_capacity(self.limits.batch_entries);
        // So that the space is known before the first write, and does not look like none.
        self.check_space()?;
        loop {
            if self.receive(&mut queued).await == 0 {
                return Ok(Ended::Stopped);
            }
            let mut batch = Batch::default();
            for entry in queued.drain(..) {
                match entry {
                    Entry::Write(write) => {
                        self.make_room(&mut batch).await?;
                        batch.bytes += write.bytes();
                        batch.writes.push(write);
                    }
                    Entry::WriteAll(writes) => {
                        self.make_room(&mut batch).await?;
                        batch.bytes += writes.bytes();
                        batch.together.push(writes);
                    }
                    // A barrier: everything queued before is committed before, under the
                    // old config, and nothing queued behind passes it.
                    Entry::Adopt { offered, answer } => {
                        self.commit(std::mem::take(&mut batch)).await?;
                        self.adopt(offered, answer).await?;
                    }
                    Entry::Admit {
                        boot,
                        volume,
                        answer,
                    } => self.admit(boot, volume.as_deref(), answer).await?,
                    // A barrier too: what was queued before is answered as it would be.
                    Entry::Retire { config, answer } => {
                        self.commit(std::mem::take(&mut batch)).await?;
                        if self.retire(&config, answer).await? {
                            return Ok(Ended::Retired);
                        }
                    }
                }
            }
            self.commit(batch).await?;
        }
    }

    /// Waits for entries; 0 when none will come. Until all pairs are counted it counts a page
    /// before each batch, and more of them while nothing is queued.
    async fn receive(&mut self, queued: &mut Vec<Entry>) -> usize {
        let limit = self.limits.batch_entries;
        while self.count_page() && self.entries.is_empty() && !self.entries.is_closed() {
            // Whoever shares the thread goes on between pages.
            tokio::task::yield_now().await;
        }
        self.entries.recv_many(queued, limit).await
    }

    /// Counts one more page of what lies on disk; false when nothing is left, or cannot be read.
    fn count_page(&mut self) -> bool {
        let Count::UpTo(after) = &self.count else {
            return false;
        };
        let request = PageRequest {
            after: after.clone(),
            buckets: Buckets::ALL,
            max_bytes: COUNTED_BYTES,
        };
        match self.state.store.scan(&request) {
            Ok(page) => {
                self.count = self.state.digests.count(&page);
                self.count != Count::Complete
            }
            Err(error) => {
                let error = self.state.disk_error(error);
                tracing::warn!(pod = self.state.pod, %error, "cannot count the pairs on disk");
                false
            }
        }
    }

    /// Commits a batch that is full, and leaves an empty one.
    async fn make_room(&self, batch: &mut Batch) -> Result<(), StoreError> {
        match batch.bytes >= self.limits.batch_bytes {
            true => self.commit(std::mem::take(batch)).await,
            false => Ok(()),
        }
    }

    /// Commits a batch with one sync and answers each of its writes.
    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let mut formed = self.form(batch)?;
        let mut commits = traced::commit(&formed.traces, formed.pairs.len());
        if active(Mutation::AckBeforePersist) {
            acknowledge(std::mem::take(&mut formed.acknowledged));
        }
        if active(Mutation::AckBeatenBeforeSync) {
            acknowledge(std::mem::take(&mut formed.beaten));
        }
        if !formed.pairs.is_empty() {
            // From the moment the pairs become visible no reader may meet an older stamp.
            if !active(Mutation::StaleStamps) {
                self.state.forget(&formed.pairs);
            }
            self.state.store.commit(&formed.pairs).await?;
            for (key, pair) in &formed.pairs[..formed.remembered] {
                self.state.remember(key, pair);
            }
            for ((key, pair), before) in formed.pairs.iter().zip(&formed.replaced) {
                let digests = &self.state.digests;
                digests.replaced(&self.count, key, *before, pair.timestamp);
            }
            let metrics = &self.state.metrics;
            let synced = self.state.store.sync_duration();
            metrics.committed(formed.pairs.len(), started.elapsed(), synced);
        }
        for commit in &mut commits {
            commit.end(None);
        }
        // Ended before the answers are: whoever hears of them finds the whole trace.
        drop(commits);
        // Those that lost are answered here too: what beat them is in this batch, or was
        // durable before it began.
        acknowledge(formed.acknowledged);
        acknowledge(formed.beaten);
        Ok(())
    }

    /// Decides each write of a batch: refused (and answered), to be stored, or beaten.
    fn form(&self, batch: Batch) -> Result<Formed, StoreError> {
        let mut formed = Formed::default();
        let full = self.check_space()?;
        for mut write in batch.writes {
            let trace = std::mem::take(&mut write.trace);
            // The caller has gone: nobody will count this answer.
            if write.answer.is_closed() {
                continue;
            }
            let fenced = match active(Mutation::FenceNotAtomicWithStore) {
                true => Ok(()),
                false => self.state.fence_of_write(&write.fence),
            };
            let judge = |()| self.judge(&write.key, &write.pair, &formed, full.as_ref());
            let judgement = fenced.and_then(judge);
            if judgement.is_ok() && trace.is_sampled() {
                formed.traces.push(trace);
            }
            match judgement {
                Ok(Judgement::Store { replaces }) => {
                    self.state.metrics.wrote("applied", 1);
                    formed.store(write.key, write.pair, replaces);
                    formed.acknowledged.push(write.answer);
                }
                Ok(Judgement::Beaten) => {
                    self.state.metrics.wrote("late", 1);
                    formed.beaten.push(write.answer);
                }
                Err(error) => {
                    let _ = write.answer.send(Err(error));
                }
            }
        }
        formed.remembered = formed.pairs.len();
        for writes in batch.together {
            self.form_many(writes, &mut formed, full.as_ref());
        }
        Ok(formed)
    }

    /// Decides writes that came together, one by one, and how they are answered.
    fn form_many(&self, writes: QueuedWrites, formed: &mut Formed, full: Option<&ReplicaError>) {
        if writes.answer.is_closed() {
            return;
        }
        let (mut applied, mut late) = (0, 0);
        let mut decided = self.state.fence_of_write(&writes.fence);
        for (key, pair) in writes.pairs {
            if decided.is_err() {
                break;
            }
            match self.judge(&key, &pair, formed, full) {
                Ok(Judgement::Store { replaces }) => {
                    applied += 1;
                    formed.store(key, pair, replaces);
                }
                Ok(Judgement::Beaten) => late += 1,
                Err(error) => decided = Err(error),
            }
        }
        self.state.metrics.wrote("applied", applied);
        self.state.metrics.wrote("late", late);
        match decided {
            Ok(()) if applied > 0 => formed.acknowledged.push(writes.answer),
            Ok(()) => formed.beaten.push(writes.answer),
            Err(error) => drop(writes.answer.send(Err(error))),
        }
    }

    /// Stores iff the timestamp is larger than what is durable or in this batch already.
    fn judge(
        &self,
        key: &Key,
        pair: &Pair,
        formed: &Formed,
        full: Option<&ReplicaError>,
    ) -> Result<Judgement, ReplicaError> {
        let best = match formed.place.get(key) {
            Some(&place) => Stamp::from(&formed.pairs[place].1),
            None => self.state.stamp(key)?,
        };
        let timestamp = pair.timestamp;
        if timestamp > best.timestamp {
            let replaces = best.timestamp;
            let store = Ok(Judgement::Store { replaces });
            return full.map_or(store, |full| Err(full.clone()));
        }
        if timestamp == best.timestamp && pair.checksum != best.checksum {
            self.state.metrics.violated("timestamp_conflict");
            tracing::error!(pod = self.state.pod, %timestamp, "one timestamp came with two values");
            return Err(ReplicaError::Conflict { timestamp });
        }
        if active(Mutation::LateWriteRefused) {
            return Err(ReplicaError::Conflict { timestamp });
        }
        Ok(Judgement::Beaten)
    }

    /// The refusal for writes when the disk is nearly full.
    fn check_space(&self) -> Result<Option<ReplicaError>, StoreError> {
        let space = self.state.store.space()?;
        let full = space.free_bytes < self.reserved_bytes;
        self.state.metrics.disk(space, full);
        Ok(full.then_some(ReplicaError::DiskFull {
            free_bytes: space.free_bytes,
            reserved_bytes: self.reserved_bytes,
        }))
    }

    async fn adopt(&self, offered: HeldConfig, answer: Answer) -> Result<(), StoreError> {
        let state = &self.state;
        let held = state.config();
        let judge = |()| {
            let HeldConfig { config, active } = &offered;
            judge_adoption(state.replica_id, held.as_ref(), config, *active)
        };
        let judged = state.check_serving();
        let judged = judged.and_then(|()| state.check_disk()).and_then(judge);
        let result = match judged {
            Ok(Adoption::Held) => Ok(()),
            Ok(Adoption::Adopt | Adoption::MarkActive) => {
                if !(active(Mutation::SealNotDurable) && offered.config.is_joint()) {
                    state.store.save_config(&offered).await?;
                }
                let HeldConfig { config, active } = &offered;
                tracing::info!(pod = state.pod, epoch = %config.epoch(), active, "adopted a config");
                state.publish_config(offered);
                Ok(())
            }
            Err(error) => {
                if let ReplicaError::Fork { .. } = error {
                    state.metrics.violated("fork");
                }
                Err(error)
            }
        };
        let _ = answer.send(result);
        Ok(())
    }

    /// Admits the boot that waits, and no other.
    async fn admit(
        &self,
        boot: Boot,
        volume: Option<&str>,
        answer: Answer,
    ) -> Result<(), StoreError> {
        let state = &self.state;
        let boots = state.store.boots();
        let result = if boots.intent == Some(boot) {
            state
                .store
                .save_boots(&boots.admitting(boot, volume))
                .await?;
            if let Some(instance) = &self.instance {
                instance.record(boot.nonce);
            }
            state.publish_admission();
            tracing::info!(pod = state.pod, boot = boot.number, volume, "admitted");
            Ok(())
        } else if state.is_admitted() && boots.admitted == Some(boot) {
            Ok(())
        } else {
            Err(ReplicaError::Invalid {
                problem: format!("boot {} is not the one that waits", boot.number),
            })
        };
        let _ = answer.send(result);
        Ok(())
    }

    /// Ends the disk if the config allows it; `true` when it did.
    async fn retire(&self, config: &Arc<Config>, answer: Answer) -> Result<bool, StoreError> {
        let state = &self.state;
        let held = state.config();
        let judged = judge_retirement(state.replica_id, held.as_ref(), config);
        let retired = judged.is_ok();
        if retired {
            state.store.mark_retired().await?;
            state.publish_retirement();
            tracing::info!(
                pod = state.pod, replica_id = %state.replica_id, epoch = %config.epoch(),
                "retired: no group lists this replica any more"
            );
        }
        let _ = answer.send(judged);
        Ok(retired)
    }
}

/// How much is counted at once for digests: a write that waits for it waits less than for a sync.
const COUNTED_BYTES: usize = 256 << 10;

/// Writes that are committed together.
#[derive(Default)]
struct Batch {
    writes: Vec<QueuedWrite>,
    together: Vec<QueuedWrites>,
    bytes: usize,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.together.is_empty()
    }
}

enum Judgement {
    /// In the place of what has this timestamp, on disk or in the batch.
    Store {
        replaces: Timestamp,
    },
    Beaten,
}

/// A batch whose writes are decided.
#[derive(Default)]
struct Formed {
    /// What to store, each key once.
    pairs: Vec<(Key, Pair)>,
    /// The timestamps of what these replace on disk, zero where there is nothing.
    replaced: Vec<Timestamp>,
    /// Of how many of these, the first ones, the stamps are remembered: those behind came many
    /// together, and would take the place of what clients use.
    remembered: usize,
    /// Where in `pairs` a key is.
    place: HashMap<Key, usize>,
    /// To be acknowledged once `pairs` are durable.
    acknowledged: Vec<Answer>,
    /// Likewise; these did not have the larger timestamp.
    beaten: Vec<Answer>,
    /// The spans of both, of those that are traced.
    traces: Vec<Parent>,
}

impl Formed {
    /// Takes a write that beats what its key has, in this batch too.
    fn store(&mut self, key: Key, pair: Pair, replaces: Timestamp) {
        match self.place.get(&key) {
            Some(&place) => self.pairs[place].1 = pair,
            None => {
                self.place.insert(key.clone(), self.pairs.len());
                self.pairs.push((key, pair));
                self.replaced.push(replaces);
            }
        }
    }
}

fn acknowledge(answers: Vec<Answer>) {
    for answer in answers {
        // A caller that has gone does not count the answer; the pair is stored all the same.
        let _ = answer.send(Ok(()));
    }
}
