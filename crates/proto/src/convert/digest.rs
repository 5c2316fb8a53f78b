//! Digests: sums over a replica's pairs.

use quorate_register::{DIGEST_SUMS, Digest, DigestRequest, Fence, ReplicaError};

use super::replica::{acknowledgement, malformed};
use super::{InvalidMessage, required};
use crate::v1;

/// The request of a Digest.
pub fn digest_request(fence: &Fence, request: &DigestRequest) -> v1::DigestRequest {
    v1::DigestRequest {
        fence: Some(fence.into()),
        group: match *request {
            DigestRequest::Groups => None,
            DigestRequest::Buckets(group) => Some(group.into()),
        },
    }
}

/// What a Digest asks for.
///
/// # Errors
/// [`InvalidMessage`].
pub fn digest(request: v1::DigestRequest) -> Result<(Fence, DigestRequest), InvalidMessage> {
    let asked = match request.group.map(u8::try_from) {
        None => DigestRequest::Groups,
        Some(Ok(group)) => DigestRequest::Buckets(group),
        Some(Err(_)) => {
            let problem = format!("it is above {}", u8::MAX);
            return Err(InvalidMessage::new("group", problem));
        }
    };
    Ok((required("fence", request.fence)?, asked))
}

/// The answer of a Digest.
pub fn digest_answer(digest: &Digest) -> v1::DigestResponse {
    v1::DigestResponse {
        sums: digest
            .sums()
            .map_or_else(Vec::new, |sums| sums.as_slice().to_vec()),
        refusal: None,
    }
}

/// What a Digest answered.
///
/// # Errors
/// The refusal; [`ReplicaError::Invalid`] for another number of sums.
pub fn digest_answered(answer: v1::DigestResponse) -> Result<Digest, ReplicaError> {
    acknowledgement(answer.refusal)?;
    if answer.sums.is_empty() {
        return Ok(Digest::Counting);
    }
    let sums: Result<Box<[u64; DIGEST_SUMS]>, _> = answer.sums.into_boxed_slice().try_into();
    sums.map(Digest::Sums).map_err(|sums| {
        let problem = format!("there are {}; a digest has {DIGEST_SUMS}", sums.len());
        malformed(InvalidMessage::new("sums", problem))
    })
}
