//! The first failure, after which nothing is written any more.

use std::sync::OnceLock;

use crate::StoreError;

/// Remembers the first failed write or sync of any thread of a store.
///
/// After it nobody knows what the disk holds: the kernel may have dropped the pages that it
/// could not write and report the next sync as done. So no write or sync is tried again.
#[derive(Debug, Default)]
pub(super) struct Failure {
    first: OnceLock<StoreError>,
}

impl Failure {
    /// # Errors
    /// The first failure, if there was one.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match self.first.get() {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// Whether there was one.
    pub(super) fn happened(&self) -> bool {
        self.first.get().is_some()
    }

    /// Records a failure; gives it back for the caller's `Err`.
    pub(super) fn record(&self, error: StoreError) -> StoreError {
        self.first.get_or_init(|| error.clone());
        error
    }
}
