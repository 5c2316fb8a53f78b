//! Scans: pages of a replica's pairs.

use prost::Message;
use quorate_register::{Buckets, Fence, Page, PageRequest, ReplicaError, bucket_of, scan_order};

use super::replica::{acknowledgement, malformed};
use super::{InvalidMessage, key, key_in, pair, required, saturating};
use crate::{Limits, v1};

/// The request of a Scan.
pub fn scan_request(fence: &Fence, request: &PageRequest) -> v1::ScanRequest {
    v1::ScanRequest {
        fence: Some(fence.into()),
        after: request.after.as_ref().map(|key| key.bytes().clone()),
        max_bytes: request.max_bytes as u64,
        first_bucket: (request.buckets.first > 0).then_some(request.buckets.first.into()),
        last_bucket: (request.buckets.last < u16::MAX).then_some(request.buckets.last.into()),
    }
}

/// What a Scan asks for; a page that would not fit a message is asked for smaller.
///
/// # Errors
/// [`InvalidMessage`].
pub fn scan(
    request: v1::ScanRequest,
    limits: Limits,
) -> Result<(Fence, PageRequest), InvalidMessage> {
    let after = request
        .after
        .map(|bytes| key_in("after", &bytes))
        .transpose()?;
    let max_bytes = saturating(request.max_bytes).min(limits.max_message_bytes());
    let buckets = buckets(request.first_bucket, request.last_bucket)?;
    Ok((
        required("fence", request.fence)?,
        PageRequest {
            after,
            buckets,
            max_bytes,
        },
    ))
}

fn buckets(first: Option<u32>, last: Option<u32>) -> Result<Buckets, InvalidMessage> {
    let bucket = |field: &str, given: Option<u32>, absent: u16| {
        let given = given.map_or(Ok(absent), u16::try_from);
        given.map_err(|_| InvalidMessage::new(field, format!("it is above {}", u16::MAX)))
    };
    let first = bucket("first_bucket", first, 0)?;
    let last = bucket("last_bucket", last, u16::MAX)?;
    if first > last {
        let problem = format!("it is {last}, before first_bucket, which is {first}");
        return Err(InvalidMessage::new("last_bucket", problem));
    }
    Ok(Buckets { first, last })
}

/// A page as an answer, cut off where it would be longer than a message: small pairs take
/// more bytes on the wire than the page counts for them.
pub fn scan_answer(page: Page, limits: Limits) -> v1::ScanResponse {
    // Tag, length and the field `last` around what is counted per pair.
    const MARGIN_BYTES: usize = 64;
    let mut room = limits.max_message_bytes() - MARGIN_BYTES;
    let mut answer = v1::ScanResponse {
        last: page.last,
        ..v1::ScanResponse::default()
    };
    for (key, pair) in page.pairs {
        let scanned = v1::KeyedPair {
            key: key.bytes().clone(),
            pair: Some(pair.into()),
        };
        let length = scanned.encoded_len();
        let needed = 1 + prost::length_delimiter_len(length) + length;
        if needed > room {
            answer.last = false;
            break;
        }
        room -= needed;
        answer.pairs.push(scanned);
    }
    answer
}

/// The page that a Scan answered.
///
/// # Errors
/// The refusal; [`ReplicaError::Corrupted`] for a pair that changed; [`ReplicaError::Invalid`],
/// also for keys that are out of order or not asked for, or an empty page that is not the last: following
/// those, a scan would never end.
pub fn page(
    answer: v1::ScanResponse,
    asked: &PageRequest,
    limits: Limits,
) -> Result<Page, ReplicaError> {
    acknowledgement(answer.refusal)?;
    let mut page = Page {
        pairs: Vec::with_capacity(answer.pairs.len()),
        last: answer.last,
    };
    for scanned in answer.pairs {
        let key = key(&scanned.key).map_err(|error| malformed(error.within("pairs")))?;
        let message = scanned.pair.unwrap_or_default();
        let pair = pair(message, limits).map_err(|error| malformed(error.within("pairs.pair")))?;
        pair.verify(&key)?;
        let before = page
            .pairs
            .last()
            .map(|(key, _)| key)
            .or(asked.after.as_ref());
        if before.is_some_and(|before| scan_order(before, &key).is_ge()) {
            let problem = "the keys are not in the order of their buckets";
            return Err(malformed(InvalidMessage::new("pairs.key", problem)));
        }
        if !asked.buckets.contains(bucket_of(&key)) {
            let problem = "it is in no bucket that was asked for";
            return Err(malformed(InvalidMessage::new("pairs.key", problem)));
        }
        page.pairs.push((key, pair));
    }
    if page.pairs.is_empty() && !page.last {
        let problem = "there is none, though this is not the last page";
        return Err(malformed(InvalidMessage::new("pairs", problem)));
    }
    Ok(page)
}
