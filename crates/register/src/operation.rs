//! The algorithm: Get and Set over quorum calls.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::mutation::{Mutation, active};
use crate::{Config, Key, MemberSet, OpId, Pair, Timestamp};

/// The counter of a key is used up: nothing can be written to it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key's counter is used up")]
pub struct TimestampsExhausted;

/// What a phase's quorum answered, all within one round under one config.
#[derive(Debug, Clone)]
pub struct Replies<T> {
    /// The config of the round.
    pub config: Arc<Config>,
    /// Index of the member in [`Config::members`], and its answer; each member at most once.
    pub answers: Vec<(usize, T)>,
}

impl<T> Replies<T> {
    /// The members whose answers `select` accepts.
    pub fn members(&self, mut select: impl FnMut(&T) -> bool) -> MemberSet {
        let selected = self.answers.iter().filter(|(_, answer)| select(answer));
        selected.map(|&(member, _)| member).collect()
    }
}

impl Replies<Timestamp> {
    /// The largest timestamp of all answers.
    pub fn largest(&self) -> Timestamp {
        let timestamps = self.answers.iter().map(|&(_, timestamp)| timestamp);
        timestamps.max().unwrap_or_default()
    }
}

impl Replies<Pair> {
    /// The pair with the largest timestamp of all answers.
    pub fn largest(&self) -> Pair {
        let pairs = self.answers.iter().map(|(_, pair)| pair);
        let largest = pairs.max_by_key(|pair| pair.timestamp);
        largest.cloned().unwrap_or(Pair::UNWRITTEN)
    }

    /// The members that reported this timestamp.
    pub fn reporters(&self, timestamp: Timestamp) -> MemberSet {
        self.members(|pair| pair.timestamp == timestamp)
    }

    /// Whether a majority of every group reported this timestamp: then a quorum holds the
    /// pair already, and a read may return it in one phase (the *fast path*).
    pub fn quorum_reports(&self, timestamp: Timestamp) -> bool {
        let reporters = self.reporters(timestamp);
        if active(Mutation::FastPathOnOneReply) {
            return !reporters.is_empty();
        }
        let quorums = self.config.quorums();
        let quorums = quorums.mutated(
            Mutation::FastPathOnCurrentOnly,
            Mutation::FastPathOnNextOnly,
        );
        let quorums = quorums.mutated(
            Mutation::JointReadsOfCurrentOnly,
            Mutation::JointReadsOfNextOnly,
        );
        quorums.reached(reporters)
    }
}

/// How a write-back ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteBack {
    /// A quorum holds the pair.
    Stored,
    /// The config changed meanwhile: the get starts again.
    ConfigChanged,
}

/// The quorum calls an operation consists of.
///
/// Each resolves once a majority of every group of one config answered within one round.
/// When the config changes, `read`, `read_timestamp` and `write` run again under the new one
/// within the same deadline, dropping all earlier answers.
pub trait QuorumCalls: Sync {
    /// Why a quorum call failed.
    type Error: From<TimestampsExhausted>;

    /// First phase of a get: LocalRead.
    fn read(&self, key: &Key) -> impl Future<Output = Result<Replies<Pair>, Self::Error>> + Send;

    /// First phase of a set: LocalReadTimestamp.
    fn read_timestamp(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Replies<Timestamp>, Self::Error>> + Send;

    /// Second phase of a set: LocalWrite. From here on the outcome of a failure is unknown.
    fn write(&self, key: &Key, pair: &Pair)
    -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Second phase of a get: LocalWrite to those that did not report `pair` in `replies`;
    /// those that did count as acknowledgements.
    fn write_back(
        &self,
        key: &Key,
        pair: &Pair,
        replies: &Replies<Pair>,
    ) -> impl Future<Output = Result<WriteBack, Self::Error>> + Send;
}

/// Reads `key`: the pair with the largest timestamp at a quorum, which a quorum holds when
/// this returns.
///
/// # Errors
/// Those of the quorum calls; a get has no effect however it ends.
pub async fn get<Q: QuorumCalls>(quorum: &Q, key: &Key) -> Result<Pair, Q::Error> {
    loop {
        let replies = quorum.read(key).await?;
        let largest = replies.largest();
        if replies.quorum_reports(largest.timestamp) || active(Mutation::NoWriteBack) {
            return Ok(largest);
        }
        match quorum.write_back(key, &largest, &replies).await? {
            WriteBack::Stored => return Ok(largest),
            WriteBack::ConfigChanged => {}
        }
    }
}

/// Writes `value` to `key`, or deletes it with `None`, under a timestamp larger than every
/// write that completed before. The timestamp is chosen once: choosing again would be a
/// second write.
///
/// # Errors
/// Those of the quorum calls: without effect from the first phase, with unknown effect
/// from the second.
pub async fn set<Q: QuorumCalls>(
    quorum: &Q,
    key: &Key,
    value: Option<Bytes>,
    op_id: OpId,
) -> Result<Timestamp, Q::Error> {
    let largest = quorum.read_timestamp(key).await?.largest();
    let timestamp = largest.successor(op_id).ok_or(TimestampsExhausted)?;
    quorum.write(key, &Pair::new(key, timestamp, value)).await?;
    Ok(timestamp)
}

#[cfg(test)]
mod tests;
