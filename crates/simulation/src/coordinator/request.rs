//! What a coordinator is asked and answers, as values that can travel.

use std::fmt;
use std::time::Duration;

use quorate_register::{Entry, OperationError, Reason, Register, Version};
use quorate_workload::Request;

use crate::trace::{Short, shown_key};

/// A call of [`Register`] with its timeout.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) request: Request,
    pub(crate) timeout: Option<Duration>,
}

/// What the call returned.
#[derive(Debug)]
pub(crate) enum OperationAnswer {
    Got(Result<Entry, OperationError>),
    Wrote(Result<Version, OperationError>),
}

impl Operation {
    /// Makes the call.
    pub(crate) async fn perform(&self, register: &impl Register) -> OperationAnswer {
        match &self.request {
            Request::Get(key) => OperationAnswer::Got(register.get(key, self.timeout).await),
            Request::Set(key, value) => {
                OperationAnswer::Wrote(register.set(key, value.clone(), self.timeout).await)
            }
            Request::Delete(key) => {
                OperationAnswer::Wrote(register.delete(key, self.timeout).await)
            }
        }
    }
}

impl OperationAnswer {
    /// Why it failed, if it did.
    pub(crate) fn reason(&self) -> Option<Reason> {
        let error = match self {
            Self::Got(result) => result.as_ref().err(),
            Self::Wrote(result) => result.as_ref().err(),
        };
        error.map(|error| error.reason)
    }

    /// The version that was read or written.
    pub(crate) fn version(&self) -> Option<Version> {
        match self {
            Self::Got(result) => result.as_ref().ok().map(|entry| entry.version),
            Self::Wrote(result) => result.as_ref().ok().copied(),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = shown_key(self.request.key());
        match &self.request {
            Request::Get(_) => write!(f, "get {key}"),
            Request::Set(_, value) => {
                write!(f, "set {key} = {:?}", String::from_utf8_lossy(value))
            }
            Request::Delete(_) => write!(f, "delete {key}"),
        }
    }
}

impl fmt::Display for OperationAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Got(Ok(Entry { value, version })) => {
                let version = Short(version.0);
                match value {
                    Some(value) => write!(f, "{version} {:?}", String::from_utf8_lossy(value)),
                    None => write!(f, "{version} no value"),
                }
            }
            Self::Wrote(Ok(version)) => write!(f, "{}", Short(version.0)),
            Self::Got(Err(error)) | Self::Wrote(Err(error)) => write!(f, "{error}"),
        }
    }
}
