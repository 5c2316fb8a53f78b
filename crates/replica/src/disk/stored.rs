//! A pair as bytes: the same in the log, in memory and in the table's files.
//!
//! `timestamp 40 | checksum u32 | kind u8 | value`; the kind is 1 with a value and 0 for a
//! tombstone. The checksum is the pair's own, made by the coordinator that wrote it.

use bytes::Bytes;
use quorate_register::{Key, Pair, Timestamp};

use super::fields::Fields;

const HEADER_BYTES: usize = Timestamp::BYTES + 4 + 1;

/// How many bytes [`encode`] adds.
pub(super) fn encoded_bytes(pair: &Pair) -> usize {
    HEADER_BYTES + pair.value.as_ref().map_or(0, Bytes::len)
}

/// Appends the pair.
pub(super) fn encode(pair: &Pair, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&pair.timestamp.to_bytes());
    bytes.extend_from_slice(&pair.checksum.to_be_bytes());
    bytes.push(u8::from(pair.value.is_some()));
    bytes.extend_from_slice(pair.value.as_deref().unwrap_or_default());
}

/// The pair of `key`, its value sharing `bytes`; or what is wrong with it.
pub(super) fn decode(key: &Key, bytes: &Bytes) -> Result<Pair, String> {
    let short = || "the stored pair is too short".to_owned();
    let mut fields = Fields(bytes);
    let timestamp = Timestamp::from_bytes(&fields.array().ok_or_else(short)?);
    let checksum = fields.u32().ok_or_else(short)?;
    let value = match fields.u8().ok_or_else(short)? {
        0 if fields.is_empty() => None,
        1 => Some(bytes.slice(HEADER_BYTES..)),
        _ => return Err("the stored pair is neither a value nor a tombstone".to_owned()),
    };
    let pair = Pair {
        timestamp,
        value,
        checksum,
    };
    pair.verify(key).map_err(|mismatch| mismatch.to_string())?;
    Ok(pair)
}

#[cfg(test)]
mod tests {
    use quorate_register::OpId;

    use super::*;

    fn key() -> Key {
        Key::new("key").unwrap()
    }

    fn round_trip(value: Option<Bytes>) {
        let timestamp = Timestamp::ZERO.successor(OpId::from_bytes([7; 16]));
        let pair = Pair::new(&key(), timestamp.unwrap(), value);
        let mut bytes = Vec::new();
        encode(&pair, &mut bytes);
        assert_eq!(bytes.len(), encoded_bytes(&pair));
        assert_eq!(decode(&key(), &bytes.clone().into()), Ok(pair));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&key(), &changed.into()).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(decode(&key(), &bytes[..length].to_vec().into()).is_err());
        }
        assert!(decode(&Key::new("other").unwrap(), &bytes.into()).is_err());
    }

    #[test]
    fn pairs_round_trip_and_damage_is_noticed() {
        round_trip(Some(Bytes::from_static(b"value")));
        round_trip(Some(Bytes::new()));
        round_trip(None);
    }
}
