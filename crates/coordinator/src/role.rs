//! A coordinator with what it does beside its operations.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_proto::{StatusSource, v1};
use quorate_register::OperationError;

use crate::Coordinator;
use crate::reconfiguration::{Progress, Reconfigurer};

/// A coordinator, and what changes the members if it does that. Clones are the same.
#[derive(Clone)]
pub struct Role {
    /// The register in this process.
    pub coordinator: Arc<Coordinator>,
    /// What changes the members, where there is a config store.
    pub reconfigurer: Option<Arc<Reconfigurer>>,
}

#[async_trait]
impl StatusSource for Role {
    async fn status(&self, timeout: Duration) -> Result<v1::StatusResponse, OperationError> {
        let mut status = StatusSource::status(&*self.coordinator, timeout).await?;
        let progress = self
            .reconfigurer
            .as_ref()
            .map(|it| it.progress().borrow().clone());
        status.membership = progress.map(membership_status);
        Ok(status)
    }
}

fn membership_status(progress: Progress) -> v1::MembershipStatus {
    let blocked = progress.blocked;
    v1::MembershipStatus {
        wanted: progress.wanted.and_then(|wanted| wanted.try_into().ok()),
        step: progress.step.word().to_owned(),
        from: progress.from,
        to: progress.to,
        keys_transferred: progress.keys,
        bytes_transferred: progress.bytes,
        blocked_reason: blocked
            .as_ref()
            .map_or("", |blocked| blocked.reason)
            .to_owned(),
        blocked: blocked.map_or_else(String::new, |blocked| blocked.message),
        last_change: progress
            .last
            .map_or("", |last| last.ending.word())
            .to_owned(),
    }
}
