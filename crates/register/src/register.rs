//! The active role: what a client asks of a coordinator.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Key, OperationError, Timestamp};

/// Names one write to one key. Opaque to clients, except that of two versions of one key
/// the larger was written later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub Timestamp);

impl Version {
    /// The version of a key that was never written.
    pub const NEVER: Self = Self(Timestamp::ZERO);
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a Get answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value; `None` for a key that was deleted or never written.
    pub value: Option<Bytes>,
    /// Which write this is; [`Version::NEVER`] for a key that was never written.
    pub version: Version,
}

/// A linearizable register per key: the coordinator in this process, or one behind a network.
///
/// Linearizable: each operation takes effect at one instant between its call and its return
/// (Herlihy, Wing 1990). `timeout` bounds the call; `None` stands for the implementation's
/// default. Dropping a call's future abandons it: a Set or Delete may or may not take effect.
#[async_trait]
pub trait Register: Send + Sync {
    /// The value of `key`.
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError>;

    /// Writes `value`; returns the version written.
    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError>;

    /// Deletes the value; returns the version of the delete. It does not say whether there was one.
    async fn delete(&self, key: &Key, timeout: Option<Duration>)
    -> Result<Version, OperationError>;
}
