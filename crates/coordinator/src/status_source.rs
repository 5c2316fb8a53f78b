//! The status on the wire.

use std::time::Duration;

use async_trait::async_trait;
use quorate_proto::{StatusSource, v1};
use quorate_register::OperationError;

use crate::{Coordinator, MemberStatus};

/// How long a member has to say that it is there.
const MEMBER_LIMIT: Duration = Duration::from_secs(2);

#[async_trait]
impl StatusSource for Coordinator {
    async fn status(&self, timeout: Duration) -> Result<v1::StatusResponse, OperationError> {
        // A little less than the caller waits, so that an answer with silent members arrives.
        let limit = MEMBER_LIMIT.min(timeout.mul_f64(0.9));
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let Some(status) = self.status(limit).await else {
            return Ok(v1::StatusResponse {
                version,
                ..v1::StatusResponse::default()
            });
        };
        Ok(v1::StatusResponse {
            version,
            cluster_id: status.cluster_id.to_string(),
            config_id: status.config_id.to_string(),
            epoch: status.epoch.to_string(),
            joint: status.joint,
            members: status.members.into_iter().map(member).collect(),
            operations_in_flight: status.operations_in_flight,
        })
    }
}

fn member(status: MemberStatus) -> v1::MemberStatus {
    let mut message = v1::MemberStatus {
        pod: status.pod,
        replica_id: status.replica_id.to_string(),
        address: status.address,
        current: status.current,
        next: status.next,
        latency_us: status.latency.as_micros() as u64,
        ..v1::MemberStatus::default()
    };
    match status.identity {
        Ok(identity) => {
            message.reachable = true;
            message.keys = identity.keys;
            if let Some(held) = identity.config {
                message.epoch = held.config.epoch().to_string();
            }
            message.refuses_writes = identity.disk_full;
            if identity.disk_full {
                message.problem = "its disk is nearly full: it refuses writes".into();
            }
        }
        Err(error) => message.problem = error.to_string(),
    }
    message
}
