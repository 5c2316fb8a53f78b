//! What replicas say to find out where their pairs differ.

/// How many sums a [`Digest`] has: groups of buckets, and buckets of a group.
pub const DIGEST_SUMS: usize = 256;

/// Which sums a replica is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DigestRequest {
    /// One for each group of 256 consecutive buckets.
    Groups,
    /// One for each bucket of this group: bucket `256 * group + index`.
    Buckets(u8),
}

/// Sums over a replica's durable pairs, tombstones included: the wrapping sum of
/// [`pair_hash`](crate::pair_hash) over all pairs of a bucket, and the wrapping sum of these over
/// a group. Replicas with equal sums hold the same timestamps there, but for one chance in 2^64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// The replica started a short while ago, and counts what it has.
    Counting,
    /// The sums.
    Sums(Box<[u64; DIGEST_SUMS]>),
}

impl Digest {
    /// The sums, once they are counted.
    pub fn sums(&self) -> Option<&[u64; DIGEST_SUMS]> {
        match self {
            Self::Counting => None,
            Self::Sums(sums) => Some(sums),
        }
    }
}
