//! What a replica keeps per key.

use bytes::Bytes;

use crate::{Key, Timestamp};

/// A timestamp with the value written under it, and a checksum over both and the key.
///
/// The checksum is made once, by the coordinator that first had the value, travels with
/// the pair and lies with it on disk: whoever reads the pair can tell that no byte changed
/// since. A pair never changes, so clones share the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// When it was written, in the order of the key's writes.
    pub timestamp: Timestamp,
    /// The value; `None` for a tombstone, and for a key never written.
    pub value: Option<Bytes>,
    /// crc32c over key, timestamp and value, see [`Pair::new`].
    pub checksum: u32,
}

/// Key, timestamp or value are not what the checksum was made over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("checksum mismatch: the pair says {stated:08x}, its bytes give {computed:08x}")]
pub struct ChecksumMismatch {
    /// What came with the pair.
    pub stated: u32,
    /// What its bytes give.
    pub computed: u32,
}

impl Pair {
    /// What a replica answers for a key it never stored.
    pub const UNWRITTEN: Self = Self {
        timestamp: Timestamp::ZERO,
        value: None,
        checksum: 0,
    };

    /// The pair of a new write of `value`, or of a delete when it is `None`.
    pub fn new(key: &Key, timestamp: Timestamp, value: Option<Bytes>) -> Self {
        let checksum = checksum(key, timestamp, value.as_deref());
        Self {
            timestamp,
            value,
            checksum,
        }
    }

    /// Checks that this is what some coordinator once made for `key`.
    ///
    /// # Errors
    /// When a bit of key, timestamp, value or checksum is another than then.
    pub fn verify(&self, key: &Key) -> Result<(), ChecksumMismatch> {
        if *self == Self::UNWRITTEN {
            return Ok(());
        }
        let computed = checksum(key, self.timestamp, self.value.as_deref());
        if computed == self.checksum {
            Ok(())
        } else {
            Err(ChecksumMismatch {
                stated: self.checksum,
                computed,
            })
        }
    }
}

/// crc32c over the key's length (4 bytes, big-endian), the key, the timestamp's 40 bytes, a
/// byte that is 1 with a value and 0 without, and the value.
fn checksum(key: &Key, timestamp: Timestamp, value: Option<&[u8]>) -> u32 {
    let length = key.bytes().len() as u32;
    let sum = crc32c::crc32c(&length.to_be_bytes());
    let sum = crc32c::crc32c_append(sum, key.bytes());
    let sum = crc32c::crc32c_append(sum, &timestamp.to_bytes());
    let sum = crc32c::crc32c_append(sum, &[u8::from(value.is_some())]);
    crc32c::crc32c_append(sum, value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpId;

    fn sample() -> (Key, Pair) {
        let key = Key::new("greeting").unwrap();
        let timestamp = Timestamp::ZERO
            .successor(OpId::from_bytes([7; 16]))
            .unwrap();
        let pair = Pair::new(&key, timestamp, Some(Bytes::from_static(b"hello")));
        (key, pair)
    }

    #[test]
    fn a_pair_verifies_under_its_own_key_only() {
        let (key, pair) = sample();
        assert_eq!(pair.verify(&key), Ok(()));
        assert!(pair.verify(&Key::new("other").unwrap()).is_err());
        assert_eq!(Pair::UNWRITTEN.verify(&key), Ok(()));
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let (key, pair) = sample();
        let value = pair.value.clone().unwrap();
        for bit in 0..value.len() * 8 {
            let mut bytes = value.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let changed = Pair {
                value: Some(bytes.into()),
                ..pair.clone()
            };
            assert!(changed.verify(&key).is_err(), "bit {bit} of the value");
        }
        for bit in 0..Timestamp::BYTES * 8 {
            let mut bytes = pair.timestamp.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let changed = Pair {
                timestamp: Timestamp::from_bytes(&bytes),
                ..pair.clone()
            };
            assert!(changed.verify(&key).is_err(), "bit {bit} of the timestamp");
        }
    }

    #[test]
    fn a_tombstone_is_not_an_empty_value() {
        let (key, pair) = sample();
        let tombstone = Pair::new(&key, pair.timestamp, None);
        let empty = Pair::new(&key, pair.timestamp, Some(Bytes::new()));
        assert_ne!(tombstone.checksum, empty.checksum);
    }

    /// The checksum lies on disks and crosses versions: it must never change.
    #[test]
    fn the_checksum_is_fixed_for_ever() {
        assert_eq!(sample().1.checksum, 0xc4f5_1269);
    }
}
