//! The passive role: what a coordinator asks of each member.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    Advice, Boot, Buckets, ChecksumMismatch, ClusterId, Config, Digest, DigestRequest, DiskBoots,
    Epoch, Fence, Key, Pair, ReplicaId, Timestamp,
};

/// A pair on its way to a replica.
#[derive(Debug, Clone)]
pub struct Write {
    /// Where to.
    pub key: Key,
    /// What.
    pub pair: Pair,
    /// The epoch in which the pair was picked or read. Replicas do not use it yet;
    /// collecting tombstones will need it.
    pub origin: Epoch,
}

/// Pairs on their way to a replica together.
#[derive(Debug, Clone)]
pub struct Writes {
    /// Where to, and what.
    pub pairs: Vec<(Key, Pair)>,
    /// The epoch in which the pairs were read.
    pub origin: Epoch,
}

impl Writes {
    /// What the pairs of one may take in all, in bytes, unless it is one pair only. Whatever the
    /// largest value is, a message has room for it.
    pub const MAX_BYTES: usize = 192 << 10;

    /// How many bytes a pair takes at most besides key and value: timestamp, checksum, and what
    /// stands around them in a message.
    const OVERHEAD_BYTES: usize = 96;

    /// These pairs in as few parts as [`Self::MAX_BYTES`] allows.
    pub fn of(pairs: impl IntoIterator<Item = (Key, Pair)>, origin: Epoch) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        let mut room = 0;
        for (key, pair) in pairs {
            let value = pair.value.as_ref().map_or(0, bytes::Bytes::len);
            let bytes = key.bytes().len() + value + Self::OVERHEAD_BYTES;
            match parts.last_mut() {
                Some(part) if bytes <= room => part.pairs.push((key, pair)),
                _ => {
                    room = Self::MAX_BYTES;
                    parts.push(Self {
                        pairs: vec![(key, pair)],
                        origin,
                    });
                }
            }
            room = room.saturating_sub(bytes);
        }
        parts
    }
}

/// Which part of a replica's pairs to scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Start behind this key, or with the first.
    pub after: Option<Key>,
    /// Only pairs of these buckets.
    pub buckets: Buckets,
    /// At most so many bytes of keys and values, though always at least one pair.
    pub max_bytes: usize,
}

/// Consecutive pairs of one replica in the order of [`scan_order`](crate::scan_order): by bucket,
/// then by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The pairs, tombstones included; none only in the last page.
    pub pairs: Vec<(Key, Pair)>,
    /// Whether no key of the buckets asked for follows.
    pub last: bool,
}

/// A config as a replica holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldConfig {
    /// The config.
    pub config: Arc<Config>,
    /// Whether somebody told the replica that the config is active. A record of the fact, for
    /// coordinators that start while nothing else can tell them.
    pub active: bool,
}

/// What a replica says about itself; it needs no fence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its disk.
    pub replica_id: ReplicaId,
    /// Its pod's name.
    pub pod: String,
    /// The store it belongs to; `None` while its disk never held a config.
    pub cluster_id: Option<ClusterId>,
    /// The config it holds.
    pub config: Option<HeldConfig>,
    /// How many keys it keeps, tombstones included, approximately.
    pub keys: u64,
    /// Whether writes are refused because the disk is nearly full.
    pub disk_full: bool,
    /// Whether it serves: its boot was admitted, or needs no admission.
    pub admitted: bool,
    /// Whether it was told to end, and serves on until an [`Advice`] lets it leave.
    pub leaving: bool,
    /// The boots its disk counted.
    pub boots: DiskBoots,
}

/// Why a replica did not do what it was asked, or why that is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// Another disk, or one of another store, answers at this address. Final.
    #[error("wrong replica: {problem}")]
    WrongReplica {
        /// Who is meant and who answers.
        problem: String,
    },
    /// The replica is ahead: it holds this config.
    #[error("stale epoch: the replica is at epoch {}", config.epoch())]
    StaleEpoch {
        /// The replica's.
        config: Arc<Config>,
    },
    /// The replica is behind: send it the config, then ask again.
    #[error("the replica needs the config first")]
    NeedConfig,
    /// The replica waits until a coordinator admits its boot, and serves nothing before.
    #[error("the replica is not admitted yet: its boot is not compared with the boot counters")]
    NotAdmitted,
    /// Two configs claim one place in the order. Final; an alarm.
    #[error("fork: the replica holds another config {} of epoch {}", config.id(), config.epoch())]
    Fork {
        /// The replica's.
        config: Arc<Config>,
    },
    /// The replica's disk is not what was acknowledged. Final.
    #[error("lost disk: {problem}")]
    LostDisk {
        /// What was found.
        problem: String,
    },
    /// Too little space for more writes. Final for writes; reads go on.
    #[error("disk full: {free_bytes} bytes free, {reserved_bytes} are kept in reserve")]
    DiskFull {
        /// What the file system has left.
        free_bytes: u64,
        /// Below which writes are refused.
        reserved_bytes: u64,
    },
    /// One timestamp came with two values: a bug or a forged token. An alarm.
    #[error("timestamp {timestamp} came with two values")]
    Conflict {
        /// The timestamp.
        timestamp: Timestamp,
    },
    /// The pair changed on its way.
    #[error(transparent)]
    Corrupted(#[from] ChecksumMismatch),
    /// The replica's queue is full.
    #[error("overloaded: {limit} requests are queued")]
    Overloaded {
        /// The queue's limit.
        limit: usize,
    },
    /// The request breaks the interface.
    #[error("invalid request: {problem}")]
    Invalid {
        /// Field and limit.
        problem: String,
    },
    /// No answer came; the request may have been carried out.
    #[error("unreachable: {problem}")]
    Unreachable {
        /// What the transport says.
        problem: String,
    },
    /// No answer came in time; the request may have been carried out.
    #[error("no answer within {} ms", waited.as_millis())]
    TimedOut {
        /// How long the attempt waited.
        waited: Duration,
    },
}

impl ReplicaError {
    /// Whether asking again in this round is of no use, for a write (`writing`) or a read.
    pub fn is_final(&self, writing: bool) -> bool {
        match self {
            Self::WrongReplica { .. } | Self::Fork { .. } | Self::LostDisk { .. } => true,
            Self::DiskFull { .. } => writing,
            _ => false,
        }
    }

    /// A word for metrics: stable, and one of few.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WrongReplica { .. } => "wrong_replica",
            Self::StaleEpoch { .. } => "stale_epoch",
            Self::NeedConfig => "need_config",
            Self::NotAdmitted => "not_admitted",
            Self::Fork { .. } => "fork",
            Self::LostDisk { .. } => "lost_disk",
            Self::DiskFull { .. } => "disk_full",
            Self::Conflict { .. } => "conflict",
            Self::Corrupted(_) => "corrupted",
            Self::Overloaded { .. } => "overloaded",
            Self::Invalid { .. } => "invalid",
            Self::Unreachable { .. } => "unreachable",
            Self::TimedOut { .. } => "timed_out",
        }
    }
}

/// One replica: the store in this process (*loopback*), or one behind a network.
///
/// Dropping a call's future abandons the call: what it held is freed, and a write may or
/// may not be carried out. `timeout` says how long the caller waits. A call over a network
/// ends by itself then, with [`ReplicaError::TimedOut`].
#[async_trait]
pub trait Replica: Send + Sync {
    /// The pair of `key`, synced; [`Pair::UNWRITTEN`] if there is none.
    async fn local_read(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Pair, ReplicaError>;

    /// The timestamp of that pair.
    async fn local_read_timestamp(
        &self,
        fence: &Fence,
        key: &Key,
        timeout: Duration,
    ) -> Result<Timestamp, ReplicaError>;

    /// Stores the pair if its timestamp is larger than the stored one's; returns once a
    /// pair with this or a larger timestamp is synced.
    async fn local_write(
        &self,
        fence: &Fence,
        write: &Write,
        timeout: Duration,
    ) -> Result<(), ReplicaError>;

    /// Stores each of these pairs as [`local_write`](Self::local_write) would; returns once all
    /// that says is so for each. After an error some may be stored.
    async fn local_write_all(
        &self,
        fence: &Fence,
        writes: &Writes,
        timeout: Duration,
    ) -> Result<(), ReplicaError>;

    /// A page of all pairs, synced.
    async fn scan(
        &self,
        fence: &Fence,
        request: &PageRequest,
        timeout: Duration,
    ) -> Result<Page, ReplicaError>;

    /// Sums over all pairs, synced, by which replicas are compared.
    async fn digest(
        &self,
        fence: &Fence,
        request: &DigestRequest,
        timeout: Duration,
    ) -> Result<Digest, ReplicaError>;

    /// If this is the disk `replica_id`, makes the config durable and serves under it from then on. A replica that is ahead
    /// answers [`ReplicaError::StaleEpoch`] with what it holds. With `active` the caller has
    /// proven the config active, which the replica records beside it.
    async fn adopt(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        active: bool,
        timeout: Duration,
    ) -> Result<(), ReplicaError>;

    /// Admits the boot that waits on the disk `replica_id`: the caller has counted it in the
    /// boot counters. The replica makes that durable, and `volume` the one its disk is bound to,
    /// if one is named; it serves from then on. Admitting the boot that is admitted already does
    /// nothing; any other boot is [`ReplicaError::Invalid`].
    async fn admit(
        &self,
        replica_id: ReplicaId,
        boot: Boot,
        volume: Option<&str>,
        timeout: Duration,
    ) -> Result<(), ReplicaError>;

    /// Ends the disk `replica_id`, if
    /// [`judge_retirement`](crate::retirement::judge_retirement) allows it: the caller has read
    /// `config` by a quorum read of the config store and proven it active. Once this returns,
    /// the end is durable: the replica wipes its disk and comes back with a new id.
    async fn retire(
        &self,
        replica_id: ReplicaId,
        config: &Arc<Config>,
        timeout: Duration,
    ) -> Result<(), ReplicaError>;

    /// Tells the disk `replica_id` whether its place is wanted. Without effect on a replica that
    /// is not [leaving](Identity::leaving).
    async fn advise(
        &self,
        replica_id: ReplicaId,
        advice: Advice,
        timeout: Duration,
    ) -> Result<(), ReplicaError>;

    /// Who answers, and what it holds.
    async fn identify(&self, timeout: Duration) -> Result<Identity, ReplicaError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpId;

    #[test]
    fn writes_are_parted_where_they_would_be_too_long() {
        let origin = Epoch {
            recovery: 0,
            number: 1,
        };
        let pair = |number: usize, length: usize| {
            let key = Key::new(number.to_string()).unwrap();
            let timestamp = Timestamp::ZERO
                .successor(OpId::from_bytes([7; 16]))
                .unwrap();
            let pair = Pair::new(&key, timestamp, Some(vec![0; length].into()));
            (key, pair)
        };
        let third = Writes::MAX_BYTES / 3 - Writes::OVERHEAD_BYTES - 1;
        let lengths = [1, Writes::MAX_BYTES + 1, third, third, third, 2 * third, 1];
        let pairs: Vec<_> = (0..7).map(|number| pair(number, lengths[number])).collect();
        let parts = Writes::of(pairs.clone(), origin);
        let sizes: Vec<_> = parts.iter().map(|part| part.pairs.len()).collect();
        assert_eq!(sizes, [1, 1, 3, 2]);
        let parted: Vec<_> = parts.into_iter().flat_map(|part| part.pairs).collect();
        assert_eq!(parted, pairs);
        assert!(Writes::of([], origin).is_empty());
    }
}
