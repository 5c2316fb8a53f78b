//! How an operation ends when it does not end well.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Whether a failed Set or Delete may take effect, now or later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It never will: phase two did not begin. A Get, which has no effect, always ends so.
    No,
    /// It may have, or may yet: the outcome is unknown.
    Maybe,
}

/// Why an operation failed: one word, stable, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A field of the request is outside its limit.
    InvalidArgument,
    /// A write arrived marked as a retry; see `docs/api.md`.
    RetryRefused,
    /// Too many operations are in flight.
    Overloaded,
    /// The deadline came before a quorum answered.
    NoQuorum,
    /// So many replicas gave final answers that no quorum is possible.
    QuorumImpossible,
    /// No active config is known yet.
    NotReady,
    /// The coordinator is stopping.
    Stopping,
    /// The key's counter is used up.
    TimestampsExhausted,
    /// No coordinator answered (said by a client).
    Unreachable,
    /// No answer came by the deadline (said by a client).
    DeadlineExceeded,
    /// Something that should not happen.
    Internal,
}

impl Reason {
    /// Every one of them.
    pub const ALL: &[Self] = &[
        Self::InvalidArgument,
        Self::RetryRefused,
        Self::Overloaded,
        Self::NoQuorum,
        Self::QuorumImpossible,
        Self::NotReady,
        Self::Stopping,
        Self::TimestampsExhausted,
        Self::Unreachable,
        Self::DeadlineExceeded,
        Self::Internal,
    ];

    /// The word on the wire, `google.rpc.ErrorInfo.reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::RetryRefused => "RETRY_REFUSED",
            Self::Overloaded => "OVERLOADED",
            Self::NoQuorum => "NO_QUORUM",
            Self::QuorumImpossible => "QUORUM_IMPOSSIBLE",
            Self::NotReady => "NOT_READY",
            Self::Stopping => "STOPPING",
            Self::TimestampsExhausted => "TIMESTAMPS_EXHAUSTED",
            Self::Unreachable => "UNREACHABLE",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Internal => "INTERNAL",
        }
    }

    /// The reason of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == word)
    }
}

/// An operation that did not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationError {
    /// Whether it may take effect all the same.
    pub applied: Applied,
    /// Why, for programs.
    pub reason: Reason,
    /// Why, for people: one sentence.
    pub message: String,
    /// More for programs, such as `needed`, `received` and the cause per replica.
    pub details: BTreeMap<String, String>,
    /// When trying again makes sense, where that is known.
    pub retry_after: Option<Duration>,
}

impl OperationError {
    /// One that surely has no effect.
    pub fn not_applied(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            applied: Applied::No,
            reason,
            message: message.into(),
            details: BTreeMap::new(),
            retry_after: None,
        }
    }

    /// One whose effect is unknown.
    pub fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            applied: Applied::Maybe,
            ..Self::not_applied(reason, message)
        }
    }

    /// One for a field that is outside its limit.
    pub fn invalid(field: &str, problem: impl fmt::Display) -> Self {
        let mut error = Self::not_applied(Reason::InvalidArgument, format!("{field}: {problem}"));
        error.details.insert("field".into(), field.into());
        error
    }

    /// Whether the same call may be made again without becoming a second write, and might
    /// then succeed.
    pub fn is_retryable(&self) -> bool {
        let passing = matches!(
            self.reason,
            Reason::Overloaded
                | Reason::NoQuorum
                | Reason::QuorumImpossible
                | Reason::NotReady
                | Reason::Stopping
                | Reason::Unreachable
        );
        passing && self.has_no_effect()
    }

    /// Whether it surely has no effect.
    pub fn has_no_effect(&self) -> bool {
        self.applied == Applied::No
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let applied = match self.applied {
            Applied::No => "not applied",
            Applied::Maybe => "outcome unknown",
        };
        write!(f, "{applied}: {}", self.message)
    }
}

impl std::error::Error for OperationError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_round_trip_and_are_distinct() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::parse("OTHER"), None);
    }

    #[test]
    fn an_unknown_outcome_is_never_retryable() {
        for reason in Reason::ALL {
            assert!(!OperationError::unknown(*reason, "").is_retryable());
        }
        assert!(OperationError::not_applied(Reason::Overloaded, "").is_retryable());
        assert!(!OperationError::invalid("key", "it is empty").is_retryable());
    }

    #[test]
    fn says_first_whether_it_was_applied() {
        let error = OperationError::unknown(Reason::NoQuorum, "needed 2, received 1");
        assert_eq!(error.to_string(), "outcome unknown: needed 2, received 1");
        let error = OperationError::invalid("key", "it is empty");
        assert_eq!(error.to_string(), "not applied: key: it is empty");
    }
}
