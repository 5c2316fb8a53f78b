//! A coordinator with what it does beside its operations.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_proto::{StatusSource, v1};
use quorate_register::OperationError;

use crate::Coordinator;
use crate::membership::{BootCounters, Volumes};
use crate::reconfiguration::{Progress, Reconfigurer};
use crate::repair::{RepairStatus, Repairer};

/// A coordinator, and what changes the members if it does that. Clones are the same.
#[derive(Clone)]
pub struct Role {
    /// The register in this process.
    pub coordinator: Arc<Coordinator>,
    /// What brings members the writes that they missed.
    pub repairer: Option<Arc<Repairer>>,
    /// What changes the members, where there is a config store.
    pub reconfigurer: Option<Arc<Reconfigurer>>,
    /// By what replicas are admitted, where there are boot counters.
    pub boot_counters: Option<Arc<dyn BootCounters>>,
    /// What tells the volumes of replicas, where that can be known.
    pub volumes: Option<Arc<dyn Volumes>>,
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
        if let Some(repairer) = &self.repairer {
            add_lags(&mut status, &repairer.status().borrow());
        }
        Ok(status)
    }
}

fn add_lags(status: &mut v1::StatusResponse, repair: &RepairStatus) {
    for member in &mut status.members {
        let known = repair.members.iter().find(|it| it.pod == member.pod);
        let compared = known.filter(|it| it.problem.is_none());
        member.lag_buckets = compared.and_then(|it| it.lag_buckets);
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
