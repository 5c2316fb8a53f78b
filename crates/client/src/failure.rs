//! What a client says of a call that failed.

use std::error::Error;
use std::io;
use std::time::Duration;

use quorate_register::{OperationError, Reason};

use crate::choice::Fault;

/// Why no connection was made, in few words.
pub(crate) fn of_connecting(error: &(dyn Error + 'static), limit: Duration) -> String {
    let mut chain = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        chain.push(error);
        next = error.source();
    }
    let kinds = chain.iter().filter_map(|error| {
        let error = error.downcast_ref::<io::Error>()?;
        Some(error.kind())
    });
    for kind in kinds {
        match kind {
            io::ErrorKind::ConnectionRefused => return "connection refused".to_owned(),
            io::ErrorKind::TimedOut => return format!("no connection within {limit:?}"),
            _ => {}
        }
    }
    // The first says no more than that it is about the transport.
    let mut text = String::new();
    for error in chain.iter().skip(1) {
        let cause = error.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    if text.is_empty() {
        text = error.to_string();
    }
    text
}

/// Why the endpoint is to be left that answered with this error, or did not answer; `None`
/// if it is as good as any other.
pub(crate) fn fault(error: &OperationError) -> Option<Fault> {
    match error.reason {
        Reason::Unreachable => Some(Fault::Unreachable {
            problem: error.message.clone(),
        }),
        Reason::NotReady
        | Reason::Stopping
        | Reason::NoQuorum
        | Reason::QuorumImpossible
        | Reason::DeadlineExceeded => Some(Fault::Unfit),
        // The coordinator does what it should.
        Reason::InvalidArgument
        | Reason::RetryRefused
        | Reason::Overloaded
        | Reason::TimestampsExhausted
        | Reason::Internal => None,
    }
}

/// Whether a failed call may be made again, and it makes sense.
pub(crate) fn is_retryable(error: &OperationError, reads: bool) -> bool {
    // A read that was not answered has no effect, and another endpoint may answer.
    let late_read = reads && error.reason == Reason::DeadlineExceeded;
    error.is_retryable() || late_read
}

/// The error of a call that failed once more after it surely had no effect. A local timeout
/// must not hide what a coordinator said; only an unknown outcome comes before that, and
/// then the text says both.
pub(crate) fn most_telling(earlier: OperationError, mut error: OperationError) -> OperationError {
    let less = weight(&error) < weight(&earlier);
    if less && error.has_no_effect() {
        return earlier;
    }
    if less {
        let message = &earlier.message;
        error.message += &format!("; the attempt before was not applied: {message}");
    }
    error
}

/// How much an error tells of several that one call met, 0 least.
pub(crate) fn weight(error: &OperationError) -> u8 {
    match error.reason {
        Reason::Unreachable => 0,
        Reason::DeadlineExceeded => 1,
        _ => 2,
    }
}

/// Says where the error comes from, in it and in its details.
pub(crate) fn at_endpoint(
    mut error: OperationError,
    address: &str,
    attempts: u32,
) -> OperationError {
    // What a coordinator wrote needs no address to be understood.
    if matches!(error.reason, Reason::Unreachable | Reason::DeadlineExceeded) {
        error.message = format!("{address}: {}", error.message);
    }
    let details = &mut error.details;
    details.insert("endpoint".to_owned(), address.to_owned());
    details.insert("attempts".to_owned(), attempts.to_string());
    error
}

/// No endpoint can be reached: which, and why not.
pub(crate) fn none_reachable<'a>(
    problems: impl Iterator<Item = (&'a str, &'a str)>,
    attempts: u32,
) -> OperationError {
    let mut error = OperationError::not_applied(Reason::Unreachable, "");
    let mut texts = Vec::new();
    for (address, problem) in problems {
        texts.push(format!("{address}: {problem}"));
        let detail = format!("cause/{address}");
        error.details.insert(detail, problem.to_owned());
    }
    error.message = format!("no coordinator can be reached at {}", texts.join("; "));
    error
        .details
        .insert("attempts".to_owned(), attempts.to_string());
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_most_is_kept_and_an_unknown_outcome_says_both() {
        let quorum = || OperationError::not_applied(Reason::NoQuorum, "needed 2, received 1");
        let late = || OperationError::not_applied(Reason::DeadlineExceeded, "no answer");
        let unreachable = || OperationError::not_applied(Reason::Unreachable, "refused");
        let unknown = || OperationError::unknown(Reason::DeadlineExceeded, "no answer");
        assert_eq!(most_telling(quorum(), late()), quorum());
        assert_eq!(most_telling(quorum(), unreachable()), quorum());
        assert_eq!(most_telling(late(), quorum()), quorum());
        assert_eq!(most_telling(unreachable(), unknown()), unknown());
        let both = most_telling(quorum(), unknown());
        assert_eq!(
            both.to_string(),
            "outcome unknown: no answer; the attempt before was not applied: needed 2, received 1"
        );
    }
}
