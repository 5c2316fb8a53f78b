//! The sums over a replica's pairs by which it is compared with others.
//!
//! A sum for each bucket is kept in memory, 512 KiB in all, and follows each commit. After a
//! start the pairs on disk are counted by the committer itself, page by page in the order of
//! scans, between its batches. Nobody else writes, so what lies up to the last page's end is
//! counted exactly once: a commit changes the sums up to there, and behind it the count will
//! meet what was committed. Nothing waits for the count but those who ask for a digest.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use quorate_register::{
    BUCKETS, DIGEST_SUMS, Digest, DigestRequest, Key, Page, Pair, Timestamp, bucket_of, pair_hash,
    scan_order,
};

/// The sums of one replica. Readers may see a commit's pairs before its sums, which no comparison
/// minds: it looks twice.
pub(crate) struct Digests {
    /// One for each bucket. Only the committer changes them.
    sums: Box<[AtomicU64]>,
    counted: AtomicBool,
}

/// How far the committer has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Count {
    /// Up to and with this key; nothing yet without one.
    UpTo(Option<Key>),
    /// All there is.
    Complete,
}

impl Count {
    /// Whether the key lies in what is counted already.
    fn covers(&self, key: &Key) -> bool {
        match self {
            Self::Complete => true,
            Self::UpTo(None) => false,
            Self::UpTo(Some(last)) => scan_order(key, last).is_le(),
        }
    }
}

impl Digests {
    /// Without pairs, and not counted yet.
    pub(crate) fn new() -> Self {
        Self {
            sums: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            counted: AtomicBool::new(false),
        }
    }

    /// A pair replaced that with another timestamp, which is zero if there was none.
    pub(crate) fn replaced(&self, count: &Count, key: &Key, before: Timestamp, now: Timestamp) {
        if !count.covers(key) {
            return;
        }
        let gone = match before == Timestamp::ZERO {
            true => 0,
            false => pair_hash(key, before),
        };
        self.add(key, pair_hash(key, now).wrapping_sub(gone));
    }

    /// Adds the page behind what was counted; returns how far that is.
    pub(crate) fn count(&self, page: &Page) -> Count {
        for (key, Pair { timestamp, .. }) in &page.pairs {
            self.add(key, pair_hash(key, *timestamp));
        }
        if page.last {
            self.counted.store(true, Ordering::Release);
            return Count::Complete;
        }
        Count::UpTo(page.pairs.last().map(|(key, _)| key.detached()))
    }

    fn add(&self, key: &Key, difference: u64) {
        let sum = &self.sums[usize::from(bucket_of(key))];
        // One writer: nothing comes between.
        let before = sum.load(Ordering::Relaxed);
        sum.store(before.wrapping_add(difference), Ordering::Relaxed);
    }

    /// The sums that are asked for.
    pub(crate) fn digest(&self, request: DigestRequest) -> Digest {
        if !self.counted.load(Ordering::Acquire) {
            return Digest::Counting;
        }
        let group = |group: usize| &self.sums[group * DIGEST_SUMS..(group + 1) * DIGEST_SUMS];
        let value = |sum: &AtomicU64| sum.load(Ordering::Relaxed);
        let sums: [u64; DIGEST_SUMS] = match request {
            DigestRequest::Groups => std::array::from_fn(|index| {
                let sums = group(index).iter().map(value);
                sums.fold(0, u64::wrapping_add)
            }),
            DigestRequest::Buckets(of) => {
                let sums = group(usize::from(of));
                std::array::from_fn(|index| value(&sums[index]))
            }
        };
        Digest::Sums(Box::new(sums))
    }
}
