//! The order of writes to one key.

use std::fmt;

use crate::Entropy;

/// 128 random bits that make a write's timestamp its own.
///
/// Drawn anew for each write, so a coordinator needs no identity and its concurrent writes
/// never collide.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId([u8; 16]);

impl OpId {
    /// A fresh one.
    pub fn random(entropy: &dyn Entropy) -> Self {
        Self(entropy.bits().to_be_bytes())
    }

    /// The one with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes; their order is the order of op ids.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Orders the writes to one key; the larger timestamp wins. No wall clock takes part.
///
/// The order of the fields is the order of comparison. Two fields are reserved and zero for now.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Reserved for the collection of tombstones: counts how often the key was collected.
    pub generation: u64,
    /// One more than the largest counter the writer met in phase one.
    pub counter: u64,
    /// Tells apart writes that chose the same counter.
    pub op_id: OpId,
    /// Reserved for compare-and-set: counts the successors decided over this write.
    pub rmw: u64,
}

impl Timestamp {
    /// What a key has that was never written; smaller than every written timestamp.
    pub const ZERO: Self = Self {
        generation: 0,
        counter: 0,
        op_id: OpId([0; 16]),
        rmw: 0,
    };

    /// Length of [`Self::to_bytes`].
    pub const BYTES: usize = 40;

    /// The timestamp of a new write that saw `self` as the largest; `None` when the
    /// counter is used up.
    pub fn successor(self, op_id: OpId) -> Option<Self> {
        Some(Self {
            generation: self.generation,
            counter: self.counter.checked_add(1)?,
            op_id,
            rmw: 0,
        })
    }

    /// 40 bytes, big-endian, whose order is the order of timestamps.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.generation.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.counter.to_be_bytes());
        bytes[16..32].copy_from_slice(&self.op_id.0);
        bytes[32..].copy_from_slice(&self.rmw.to_be_bytes());
        bytes
    }

    /// The reverse of [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let word = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| bytes[at + i]));
        Self {
            generation: word(0),
            counter: word(8),
            op_id: OpId(std::array::from_fn(|i| bytes[16 + i])),
            rmw: word(32),
        }
    }
}

/// `counter-op_id`, with `generation.` before and `+rmw` behind where they are not zero.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.generation > 0 {
            write!(f, "{}.", self.generation)?;
        }
        write!(f, "{}-{:?}", self.counter, self.op_id)?;
        if self.rmw > 0 {
            write!(f, "+{}", self.rmw)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_timestamp() -> impl Strategy<Value = Timestamp> {
        // Small ranges, so that fields collide and every field decides sometimes.
        (0..3u64, 0..3u64, 0..3u8, 0..3u64).prop_map(|(generation, counter, op, rmw)| Timestamp {
            generation,
            counter,
            op_id: OpId([op; 16]),
            rmw,
        })
    }

    proptest! {
        #[test]
        fn bytes_round_trip_and_keep_the_order(a in any_timestamp(), b in any_timestamp()) {
            prop_assert_eq!(Timestamp::from_bytes(&a.to_bytes()), a);
            prop_assert_eq!(a.cmp(&b), a.to_bytes().cmp(&b.to_bytes()));
        }

        #[test]
        fn successor_is_larger_whatever_the_op_id(a in any_timestamp(), op in 0..3u8) {
            prop_assert!(a.successor(OpId([op; 16])).unwrap() > a);
        }
    }

    #[test]
    fn fields_decide_in_their_order() {
        let at = |generation, counter, op: u8, rmw| Timestamp {
            generation,
            counter,
            op_id: OpId([op; 16]),
            rmw,
        };
        let ascending = [
            Timestamp::ZERO,
            at(0, 0, 0, 1),
            at(0, 0, 1, 0),
            at(0, 1, 0, 0),
            at(0, 1, 0, 9),
            at(0, 1, 2, 0),
            at(0, 2, 1, 0),
            at(1, 0, 0, 0),
        ];
        assert!(ascending.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_counter_that_is_used_up_has_no_successor() {
        let last = Timestamp {
            counter: u64::MAX,
            ..Timestamp::ZERO
        };
        assert_eq!(last.successor(OpId([1; 16])), None);
    }

    #[test]
    fn prints_counter_and_op_id() {
        let t = Timestamp::ZERO.successor(OpId([0xab; 16])).unwrap();
        assert_eq!(t.to_string(), format!("1-{}", "ab".repeat(16)));
        let t = Timestamp {
            generation: 3,
            rmw: 2,
            ..t
        };
        assert_eq!(t.to_string(), format!("3.1-{}+2", "ab".repeat(16)));
    }
}
