//! One batch in the log.
//!
//! ```text
//! magic 4 | payload length u32 | lsn u64 | records u32 | header crc32c u32 | payload crc32c u32
//! payload: per record  key length u16 | stored length u32 | key | stored pair
//! ```
//!
//! Both checksums start from a seed made of the disk's secret salt and the segment's number.
//! So bytes of another segment or disk, or those that a client put into a value, are no frame
//! here. The header has a checksum of its own so that the length can be trusted.

use std::ops::Range;

use bytes::Bytes;
use quorate_register::{Key, Pair};

use crate::disk::fields::Fields;
use crate::disk::stored;

const MAGIC: [u8; 4] = *b"QLog";
const HEADER_CRC_AT: usize = 20;
/// Length of what precedes the payload.
pub(crate) const HEADER_BYTES: usize = 28;
const RECORD_HEADER_BYTES: usize = 6;

/// What the checksums of a segment's frames start from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(salt: u64, segment: u64) -> Self {
        let seed = crc32c::crc32c(&salt.to_be_bytes());
        Self(crc32c::crc32c_append(seed, &segment.to_be_bytes()))
    }
}

/// The batch was too large for a frame.
#[derive(Debug, thiserror::Error)]
#[error("a batch of {0} bytes is longer than a frame can be")]
pub(crate) struct TooLong(usize);

/// The length of a frame with these pairs, in bytes.
pub(crate) fn encoded_bytes(pairs: &[(Key, Pair)]) -> usize {
    let record = |(key, pair): &(Key, Pair)| {
        RECORD_HEADER_BYTES + key.bytes().len() + stored::encoded_bytes(pair)
    };
    HEADER_BYTES + pairs.iter().map(record).sum::<usize>()
}

/// The bytes of a frame with these pairs.
pub(crate) fn encode(seed: Seed, lsn: u64, pairs: &[(Key, Pair)]) -> Result<Vec<u8>, TooLong> {
    let total = encoded_bytes(pairs);
    let length = u32::try_from(total - HEADER_BYTES).map_err(|_| TooLong(total))?;
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&lsn.to_be_bytes());
    bytes.extend_from_slice(&(pairs.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&crc32c::crc32c_append(seed.0, &bytes).to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    for (key, pair) in pairs {
        bytes.extend_from_slice(&(key.bytes().len() as u16).to_be_bytes());
        bytes.extend_from_slice(&(stored::encoded_bytes(pair) as u32).to_be_bytes());
        bytes.extend_from_slice(key.bytes());
        stored::encode(pair, &mut bytes);
    }
    let checksum = crc32c::crc32c_append(seed.0, &bytes[HEADER_BYTES..]);
    bytes[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&checksum.to_be_bytes());
    Ok(bytes)
}

/// A valid frame within a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FrameAt {
    /// Its number.
    pub(crate) lsn: u64,
    /// Where its bytes lie.
    pub(crate) range: Range<usize>,
}

/// The frame that begins at `offset` of a segment, unless something about it is invalid.
pub(crate) fn find_at(seed: Seed, segment: &[u8], offset: usize) -> Option<FrameAt> {
    let bytes = segment.get(offset..)?;
    let mut fields = Fields(bytes);
    let magic: [u8; 4] = fields.array()?;
    let length = fields.u32()? as usize;
    let lsn = fields.u64()?;
    let _records = fields.u32()?;
    let header_checksum = fields.u32()?;
    let payload_checksum = fields.u32()?;
    if magic != MAGIC || header_checksum != crc32c::crc32c_append(seed.0, &bytes[..HEADER_CRC_AT]) {
        return None;
    }
    let payload = fields.bytes(length)?;
    (payload_checksum == crc32c::crc32c_append(seed.0, payload)).then(|| FrameAt {
        lsn,
        range: offset..offset + HEADER_BYTES + length,
    })
}

/// Whether a valid frame begins anywhere at or behind `offset`.
pub(crate) fn any_from(seed: Seed, segment: &[u8], offset: usize) -> Option<FrameAt> {
    let rest = segment.get(offset..)?;
    let starts = rest.windows(MAGIC.len()).enumerate();
    starts
        .filter(|(_, window)| *window == MAGIC)
        .find_map(|(index, _)| find_at(seed, segment, offset + index))
}

/// The keys and stored pairs of a valid frame, sharing its bytes; `None` behind a record that
/// does not fit, which no program writes.
pub(crate) fn records(frame: &Bytes) -> impl Iterator<Item = Option<(Bytes, Bytes)>> + '_ {
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        if at >= frame.len() {
            return None;
        }
        let record = record_at(frame, at);
        at = match &record {
            Some((key, stored)) => at + RECORD_HEADER_BYTES + key.len() + stored.len(),
            None => frame.len(),
        };
        Some(record)
    })
}

fn record_at(frame: &Bytes, at: usize) -> Option<(Bytes, Bytes)> {
    let mut fields = Fields(&frame[at..]);
    let key_length = usize::from(fields.u16()?);
    let stored_length = fields.u32()? as usize;
    fields.bytes(key_length)?;
    fields.bytes(stored_length)?;
    let key_at = at + RECORD_HEADER_BYTES;
    let stored_at = key_at + key_length;
    let key = frame.slice(key_at..stored_at);
    Some((key, frame.slice(stored_at..stored_at + stored_length)))
}

#[cfg(test)]
mod tests {
    use quorate_register::Timestamp;

    use super::*;

    fn pairs() -> Vec<(Key, Pair)> {
        let pair = |key: &'static str, value: Option<&'static str>| {
            let key = Key::new(key).unwrap();
            let pair = Pair::new(&key, Timestamp::ZERO, value.map(Bytes::from));
            (key, pair)
        };
        vec![pair("a", Some("1")), pair("b", None), pair("c", Some(""))]
    }

    #[test]
    fn frames_round_trip() {
        let seed = Seed::new(1, 2);
        let frame = encode(seed, 9, &pairs()).unwrap();
        let mut segment = vec![0; 5];
        segment.extend(&frame);
        segment.extend([0; 50]);
        let found = find_at(seed, &segment, 5).unwrap();
        assert_eq!((found.lsn, found.range), (9, 5..5 + frame.len()));
        let records: Vec<_> = records(&frame.into()).map(Option::unwrap).collect();
        assert_eq!(records.len(), 3);
        for ((key, stored), (expected_key, expected)) in records.iter().zip(pairs()) {
            assert_eq!(key, expected_key.bytes());
            assert_eq!(stored::decode(&expected_key, stored), Ok(expected));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let seed = Seed::new(1, 2);
        let frame = encode(seed, 9, &pairs()).unwrap();
        for bit in 0..frame.len() * 8 {
            let mut changed = frame.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(find_at(seed, &changed, 0), None, "bit {bit}");
        }
        for length in 0..frame.len() {
            assert_eq!(find_at(seed, &frame[..length], 0), None);
        }
    }

    #[test]
    fn frames_of_other_segments_and_disks_are_none() {
        let frame = encode(Seed::new(1, 2), 9, &pairs()).unwrap();
        assert!(any_from(Seed::new(1, 2), &frame, 0).is_some());
        assert!(any_from(Seed::new(1, 3), &frame, 0).is_none());
        assert!(any_from(Seed::new(2, 2), &frame, 0).is_none());
    }
}
