//! Scans: pages of a replica's pairs.

use prost::Message;
use quorate_register::{Fence, Key, Page, PageRequest, ReplicaError};

use super::replica::{acknowledgement, malformed};
use super::{InvalidMessage, key, key_in, pair, required, saturating};
use crate::{Limits, v1};

/// The request of a Scan.
pub fn scan_request(fence: &Fence, request: &PageRequest) -> v1::ScanRequest {
    v1::ScanRequest {
        fence: Some(fence.into()),
        after: request.after.as_ref().map(|key| key.bytes().clone()),
        max_bytes: request.max_bytes as u64,
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
    Ok((
        required("fence", request.fence)?,
        PageRequest { after, max_bytes },
    ))
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
        let scanned = v1::ScannedPair {
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

/// The page that a Scan behind `after` answered.
///
/// # Errors
/// The refusal; [`ReplicaError::Corrupted`] for a pair that changed; [`ReplicaError::Invalid`],
/// also for keys that are out of order or an empty page that is not the last: following
/// those, a scan would never end.
pub fn page(
    answer: v1::ScanResponse,
    after: Option<&Key>,
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
        let before = page.pairs.last().map(|(key, _)| key).or(after);
        if before.is_some_and(|before| *before >= key) {
            let problem = "the keys are not in ascending order";
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
