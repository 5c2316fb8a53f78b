//! What people ask for: how many replicas there should be, and where.

use std::sync::Arc;

use async_trait::async_trait;

/// The pods that should hold a member each: a StatefulSet's, a list, or those of `quorate dev`.
///
/// It says what is wanted, never what is: the agreed config follows it by reconfiguration.
#[async_trait]
pub trait Workload: Send + Sync {
    /// The names of the wanted pods in the order of their ordinals, known at this moment; `None`
    /// while it is unknown, which is never the same as none.
    fn wanted(&self) -> Option<Arc<[String]>>;

    /// The same, asked where it is kept rather than remembered: not older than the call.
    ///
    /// # Errors
    /// A sentence why it cannot be asked now.
    async fn wanted_now(&self) -> Result<Option<Arc<[String]>>, WishUnknown>;

    /// Asks for so many pods from now on; those of the smallest ordinals stay.
    ///
    /// # Errors
    /// A sentence that says what to do instead, when this cannot be asked here.
    async fn scale(&self, size: usize) -> Result<(), ScaleRefused>;

    /// Tells people what a change does: an Event on the StatefulSet, or nothing where logs are
    /// all there is. Never waits.
    fn announce(&self, news: &News);
}

/// Why it cannot be asked what is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WishUnknown(pub String);

/// Why the number of replicas cannot be changed like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScaleRefused(pub String);

/// Something that happened to the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// One word in CamelCase, such as `ChangeFinished`.
    pub reason: &'static str,
    /// Whether somebody should look at it.
    pub warning: bool,
    /// A sentence.
    pub message: String,
}
