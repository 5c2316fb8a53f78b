//! A pair (timestamp, value) in one byte.

use std::fmt;

use quorate_register::{OpId, Timestamp};

/// Three bits each for the counter and the op id, two for the value: in the order of the
/// program's timestamps, so that comparing the first six bits compares timestamps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pair(u8);

impl Pair {
    /// What a key has that was never written.
    pub const UNWRITTEN: Self = Self(0);

    /// The pair that a Set stores that saw `self` as the largest: the program's own choice.
    ///
    /// # Panics
    /// When a model lets a counter grow beyond three bits.
    #[must_use]
    pub fn successor(self, op_id: u8, value: u8) -> Self {
        let next = self
            .timestamp()
            .successor(wide(op_id))
            .expect("a model's counters are small");
        assert!(
            next.counter < 8 && op_id < 8 && value < 4,
            "a pair fits into a byte"
        );
        Self((next.counter as u8) << 5 | op_id << 2 | value)
    }

    /// The program's timestamp of this pair.
    pub fn timestamp(self) -> Timestamp {
        Timestamp {
            counter: u64::from(self.0 >> 5),
            op_id: wide(self.0 >> 2 & 7),
            ..Timestamp::ZERO
        }
    }

    /// Something that is ordered as timestamps are.
    pub fn stamp(self) -> u8 {
        self.0 >> 2
    }

    /// What was written; 0 for nothing.
    pub fn value(self) -> u8 {
        self.0 & 3
    }

    /// Whether nothing was written.
    pub fn is_unwritten(self) -> bool {
        self == Self::UNWRITTEN
    }

    /// The one with the larger timestamp.
    #[must_use]
    pub fn larger(self, other: Self) -> Self {
        if other.stamp() > self.stamp() {
            other
        } else {
            self
        }
    }
}

/// An op id whose order is that of the small number.
fn wide(op_id: u8) -> OpId {
    OpId::from_bytes([op_id; 16])
}

/// `value@counter-op_id`.
impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unwritten() {
            return f.write_str("nothing");
        }
        write!(f, "v{}@{}-{}", self.value(), self.0 >> 5, self.0 >> 2 & 7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_ordered_as_timestamps_are() {
        for a in 0..=u8::MAX {
            for b in 0..=u8::MAX {
                let (a, b) = (Pair(a), Pair(b));
                assert_eq!(
                    a.stamp().cmp(&b.stamp()),
                    a.timestamp().cmp(&b.timestamp()),
                    "{a} and {b}"
                );
            }
        }
    }

    #[test]
    fn a_successor_is_larger_than_what_was_seen() {
        let first = Pair::UNWRITTEN.successor(2, 2);
        assert_eq!(first.to_string(), "v2@1-2");
        assert!(first.successor(1, 1).stamp() > first.stamp());
        assert_eq!(
            first.larger(Pair::UNWRITTEN.successor(1, 1)),
            first,
            "one counter: the op id decides"
        );
    }
}
