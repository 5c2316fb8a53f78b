//! Counts why operations fail, which a history does not say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use quorate_client::{Entry, Key, OperationError, Register, Version};

use crate::failure::applied_word;

/// How many operations failed, by whether applied and why.
pub(super) type Errors = BTreeMap<(&'static str, &'static str), u64>;

/// Counts that several registers share.
#[derive(Debug, Clone, Default)]
pub(super) struct ErrorCounts {
    counts: Arc<Mutex<Errors>>,
    last: Arc<Mutex<Option<String>>>,
}

impl ErrorCounts {
    pub(super) fn counts(&self) -> Errors {
        self.counts.lock().clone()
    }

    /// What the last failure said.
    pub(super) fn last(&self) -> Option<String> {
        self.last.lock().clone()
    }

    fn note<T>(&self, result: Result<T, OperationError>) -> Result<T, OperationError> {
        if let Err(error) = &result {
            let kind = (applied_word(error.applied), error.reason.as_str());
            *self.counts.lock().entry(kind).or_default() += 1;
            *self.last.lock() = Some(error.message.clone());
        }
        result
    }
}

/// A register whose failures are counted.
pub(super) struct Counting<R> {
    pub(super) register: R,
    pub(super) errors: ErrorCounts,
}

#[async_trait]
impl<R: Register> Register for Counting<R> {
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError> {
        self.errors.note(self.register.get(key, timeout).await)
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.errors
            .note(self.register.set(key, value, timeout).await)
    }

    async fn delete(
        &self,
        key: &Key,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.errors.note(self.register.delete(key, timeout).await)
    }
}
