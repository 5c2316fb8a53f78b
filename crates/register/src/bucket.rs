//! Keys in 65,536 buckets: the order of scans, and the unit of comparison.
//!
//! Members that hold the same pairs are told from those that do not by comparing sums over
//! buckets, and only the buckets that differ are read. So every store keeps its pairs in the
//! order of their buckets, and of their keys within a bucket. Which bucket a key is in is part
//! of the interface between roles and of the format on disk, and never changes.

use std::cmp::Ordering;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{Key, Timestamp};

/// How many buckets there are.
pub const BUCKETS: usize = 1 << 16;

/// Consecutive buckets, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Buckets {
    /// The first.
    pub first: u16,
    /// The last, not before the first.
    pub last: u16,
}

impl Buckets {
    /// Every bucket.
    pub const ALL: Self = Self {
        first: 0,
        last: u16::MAX,
    };

    /// Only this one.
    pub const fn only(bucket: u16) -> Self {
        Self {
            first: bucket,
            last: bucket,
        }
    }

    /// These buckets in so many parts of nearly one size, in their order; at most one part for each
    /// bucket.
    pub fn parts(self, count: usize) -> impl Iterator<Item = Self> {
        let buckets = usize::from(self.last - self.first) + 1;
        let count = count.clamp(1, buckets);
        // Within a u16: at most the number of the last bucket.
        let at = move |part: usize| self.first + (part * buckets / count) as u16;
        (0..count).map(move |part| Self {
            first: at(part),
            last: match part + 1 == count {
                true => self.last,
                false => at(part + 1) - 1,
            },
        })
    }

    /// Whether the bucket is one of them.
    pub const fn contains(self, bucket: u16) -> bool {
        self.first <= bucket && bucket <= self.last
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self::ALL
    }
}

/// The bucket of a key: the upper 16 bits of the XXH3 (64 bits, seed 0) of its bytes.
pub fn bucket_of(key: &Key) -> u16 {
    (xxh3_64(key.bytes()) >> 48) as u16
}

/// The order in which every replica's scan returns keys: by bucket, then by key.
pub fn scan_order(a: &Key, b: &Key) -> Ordering {
    bucket_of(a).cmp(&bucket_of(b)).then_with(|| a.cmp(b))
}

/// What a pair adds to the sum of its bucket: XXH3 of the timestamp's 40 bytes (big-endian),
/// seeded with the XXH3 of the key. The value is not part of it: a timestamp has one value.
pub fn pair_hash(key: &Key, timestamp: Timestamp) -> u64 {
    xxh3_64_with_seed(&timestamp.to_bytes(), xxh3_64(key.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpId;

    fn key(text: &'static str) -> Key {
        Key::new(text).unwrap()
    }

    #[test]
    fn buckets_and_hashes_never_change() {
        let timestamp = Timestamp {
            counter: 7,
            op_id: OpId::from_bytes([9; 16]),
            ..Timestamp::ZERO
        };
        let of = |text| (bucket_of(&key(text)), pair_hash(&key(text), timestamp));
        // That of the reference implementation begins with 0xe6c6.
        assert_eq!(of("a"), (0xe6c6, 0x8fce_3951_c0e5_c720));
        assert_eq!(of("quorate"), (23_068, 0xdba2_81b5_7183_d3b1));
    }

    #[test]
    fn the_order_is_by_bucket_and_then_by_key() {
        let mut keys: Vec<_> = (0..300_000u32)
            .map(|n| Key::new(n.to_be_bytes().to_vec()).unwrap())
            .collect();
        keys.sort_by(scan_order);
        let mut within = 0;
        for pair in keys.windows(2) {
            let buckets = [bucket_of(&pair[0]), bucket_of(&pair[1])];
            assert!(buckets[0] <= buckets[1]);
            if buckets[0] == buckets[1] {
                assert!(pair[0] < pair[1]);
                within += 1;
            }
        }
        assert!(within > 200_000, "the keys fill every bucket");
    }

    #[test]
    fn a_range_holds_both_its_ends() {
        let range = Buckets { first: 3, last: 5 };
        let held: Vec<u16> = (0..9).filter(|&bucket| range.contains(bucket)).collect();
        assert_eq!(held, [3, 4, 5]);
        assert!(Buckets::ALL.contains(0) && Buckets::ALL.contains(u16::MAX));
        assert!(!Buckets::only(4).contains(5));
    }

    #[test]
    fn parts_leave_nothing_out_and_do_not_overlap() {
        let (five, all) = (Buckets { first: 3, last: 7 }, Buckets::ALL);
        for (whole, count, expected) in [
            (five, 0, 1),
            (five, 1, 1),
            (five, 2, 2),
            (five, 9, 5),
            (all, 3, 3),
            (all, usize::MAX >> 20, 65_536),
            (Buckets::only(u16::MAX), 4, 1),
        ] {
            let parts: Vec<_> = whole.parts(count).collect();
            assert_eq!(parts.len(), expected);
            assert_eq!(
                (parts[0].first, parts[expected - 1].last),
                (whole.first, whole.last)
            );
            assert!(parts.iter().all(|part| part.first <= part.last));
            assert!(parts.windows(2).all(|two| two[0].last + 1 == two[1].first));
        }
    }
}
