//! Every error over the wire and back, and what others make of calls.

use std::time::Duration;

use quorate_register::{Applied, OperationError, Reason};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Call, DOMAIN, Sent, code, from_status, to_status};

const BOTH: [Applied; 2] = [Applied::No, Applied::Maybe];

fn error(reason: Reason, applied: Applied) -> OperationError {
    OperationError {
        applied,
        ..OperationError::not_applied(reason, "needed 2, received 1")
    }
}

/// As a client receives it.
fn sent(status: Status) -> Status {
    let response = status.into_http::<()>();
    Status::from_header_map(response.headers()).unwrap()
}

#[test]
fn an_unknown_outcome_never_has_a_code_that_proxies_retry() {
    for &reason in Reason::ALL {
        let code = code(reason, Applied::Maybe);
        let safe = matches!(code, Code::DeadlineExceeded | Code::Unknown);
        assert!(safe, "{reason:?}: {code:?}");
    }
}

/// The table of register.proto.
#[test]
fn codes_are_as_documented() {
    for (reason, no, maybe) in [
        (
            Reason::InvalidArgument,
            Code::InvalidArgument,
            Code::Unknown,
        ),
        (
            Reason::RetryRefused,
            Code::FailedPrecondition,
            Code::Unknown,
        ),
        (Reason::Overloaded, Code::ResourceExhausted, Code::Unknown),
        (Reason::NoQuorum, Code::Unavailable, Code::DeadlineExceeded),
        (Reason::QuorumImpossible, Code::Unavailable, Code::Unknown),
        (Reason::NotReady, Code::Unavailable, Code::Unknown),
        (Reason::Stopping, Code::Unavailable, Code::Unknown),
        (Reason::TimestampsExhausted, Code::OutOfRange, Code::Unknown),
        (Reason::Unreachable, Code::Unavailable, Code::Unknown),
        (
            Reason::DeadlineExceeded,
            Code::DeadlineExceeded,
            Code::DeadlineExceeded,
        ),
        (Reason::Internal, Code::Internal, Code::Unknown),
    ] {
        assert_eq!(code(reason, Applied::No), no, "{reason:?}");
        assert_eq!(code(reason, Applied::Maybe), maybe, "{reason:?}");
    }
}

#[test]
fn every_error_round_trips() {
    for &reason in Reason::ALL {
        for applied in BOTH {
            let mut error = error(reason, applied);
            error.details.insert("needed".into(), "2".into());
            error
                .details
                .insert("cause/replica-1".into(), "no answer within 3 ms".into());
            error.retry_after = Some(Duration::from_millis(250));
            let status = sent(to_status(error.clone()));
            assert_eq!(status.code(), code(reason, applied));
            assert_eq!(from_status(&status, Call::Write, Sent::Something), error);

            let info = status.get_details_error_info().unwrap();
            let expected = if applied == Applied::No {
                "NO"
            } else {
                "MAYBE"
            };
            assert_eq!(info.domain, DOMAIN);
            assert_eq!(info.reason, reason.as_str());
            assert_eq!(info.metadata["applied"], expected);
        }
    }
}

#[test]
fn a_get_never_has_an_effect() {
    for &reason in Reason::ALL {
        for applied in BOTH {
            let status = sent(to_status(error(reason, applied)));
            let error = from_status(&status, Call::Read, Sent::Something);
            assert_eq!((error.applied, error.reason), (Applied::No, reason));
        }
    }
    let error = from_status(&Status::unknown("reset"), Call::Read, Sent::Something);
    assert_eq!(error.applied, Applied::No);
}

#[test]
fn overload_always_says_when_to_come_back() {
    let status = sent(to_status(error(Reason::Overloaded, Applied::No)));
    let delay = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(delay, Some(Duration::from_millis(100)));
    let status = sent(to_status(error(Reason::NoQuorum, Applied::No)));
    assert!(status.get_details_retry_info().is_none());
}

#[test]
fn without_details_only_what_was_not_sent_is_not_applied() {
    for status in [
        Status::unavailable("proxy"),
        Status::cancelled("Timeout expired"),
        Status::deadline_exceeded(""),
        Status::unknown("reset"),
        Status::internal("h2"),
        Status::invalid_argument("proxy"),
        Status::resource_exhausted("proxy"),
        Status::unimplemented("proxy"),
    ] {
        let error = from_status(&status, Call::Write, Sent::Something);
        assert_eq!(error.applied, Applied::Maybe, "{status:?}");
        assert!(!error.is_retryable());
        assert!(!error.message.is_empty());
        let error = from_status(&status, Call::Write, Sent::Nothing);
        assert_eq!(error.applied, Applied::No, "{status:?}");
    }
}

#[test]
fn without_details_the_code_gives_the_reason() {
    for (status, reason) in [
        (Status::unavailable("proxy"), Reason::Unreachable),
        (
            Status::cancelled("Timeout expired"),
            Reason::DeadlineExceeded,
        ),
        (Status::cancelled("gone"), Reason::Unreachable),
        (Status::deadline_exceeded("late"), Reason::DeadlineExceeded),
        (Status::resource_exhausted("proxy"), Reason::Overloaded),
        (Status::invalid_argument("proxy"), Reason::InvalidArgument),
        (Status::data_loss("proxy"), Reason::Internal),
        (
            Status::from_error("broken pipe".into()),
            Reason::Unreachable,
        ),
    ] {
        let error = from_status(&status, Call::Write, Sent::Something);
        assert_eq!(error.reason, reason, "{status:?}");
    }
}

#[test]
fn details_of_others_and_of_newer_coordinators_are_not_trusted() {
    let with = |domain: &str, reason: &str, applied: Option<&str>| {
        let metadata = applied.map(|applied| ("applied".to_owned(), applied.to_owned()));
        let details = ErrorDetails::with_error_info(
            reason,
            domain,
            metadata
                .into_iter()
                .collect::<std::collections::HashMap<_, _>>(),
        );
        let status = Status::with_error_details(Code::Aborted, "", details);
        from_status(&status, Call::Write, Sent::Something)
    };
    assert_eq!(
        with("example.com", "NOT_READY", Some("NO")).applied,
        Applied::Maybe
    );
    assert_eq!(with(DOMAIN, "NOT_READY", Some("NO")).applied, Applied::No);
    assert_eq!(
        with(DOMAIN, "NOT_READY", Some("no")).applied,
        Applied::Maybe
    );
    assert_eq!(with(DOMAIN, "NOT_READY", None).applied, Applied::Maybe);
    let newer = with(DOMAIN, "SOMETHING_NEW", Some("NO"));
    assert_eq!(
        (newer.reason, newer.applied),
        (Reason::Internal, Applied::No)
    );
    assert_eq!(newer.details["reason"], "SOMETHING_NEW");
}

#[test]
fn a_status_always_fits_http_trailers() {
    let mut error = error(Reason::NoQuorum, Applied::Maybe);
    error.message = "ü%".repeat(10_000);
    for member in 0..62 {
        error
            .details
            .insert(format!("cause/replica-{member}"), "é".repeat(5000));
    }
    let response = to_status(error).into_http::<()>();
    let bytes: usize = response
        .headers()
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 32)
        .sum();
    assert!(bytes < 8 * 1024, "{bytes}");
    let status = Status::from_header_map(response.headers()).unwrap();
    let back = from_status(&status, Call::Write, Sent::Something);
    assert_eq!(
        (back.reason, back.applied),
        (Reason::NoQuorum, Applied::Maybe)
    );
    assert!(back.details.len() >= 16, "{}", back.details.len());
}
