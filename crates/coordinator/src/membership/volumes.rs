//! Which volume a pod's disk lies on.

use async_trait::async_trait;

/// Tells volumes apart: in Kubernetes by the UIDs of their claims. A disk that was bound to
/// one volume and comes back on another is a copy.
#[async_trait]
pub trait Volumes: Send + Sync {
    /// The volume of the replica in this pod; `None` when it lies on none that has a name.
    ///
    /// # Errors
    /// When that is not known now; the replica is not admitted until it is.
    async fn volume(&self, pod: &str) -> Result<Option<String>, String>;
}
