//! Whether a role can serve.

use std::fmt;

/// Whether a role can serve. It starts not ready, and must not depend on a quorum: a lost
/// quorum would take every coordinator out of its Service, and turn a clear error into a
/// refused connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It can serve.
    Ready,
    /// It cannot, for a reason for people to read; shown as one line.
    NotReady(String),
}

impl Readiness {
    /// Not ready, for this reason.
    pub fn not_ready(reason: impl Into<String>) -> Self {
        Self::NotReady(reason.into())
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::NotReady(reason) => {
                let words: Vec<_> = reason.split_whitespace().collect();
                write!(f, "not ready: {}", words.join(" "))
            }
        }
    }
}
