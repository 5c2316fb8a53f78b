//! The status on the wire.

use std::time::Duration;

use async_trait::async_trait;
use quorate_proto::{StatusSource, v1};
use quorate_register::{Identity, OperationError};

use crate::membership::Admissions;
use crate::status::MEMBER_LIMIT;
use crate::{Coordinator, MemberStatus};

#[async_trait]
impl StatusSource for Coordinator {
    async fn status(&self, timeout: Duration) -> Result<v1::StatusResponse, OperationError> {
        // A little less than the caller waits, so that an answer with silent members arrives.
        let limit = MEMBER_LIMIT.min(timeout.mul_f64(0.9));
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let Some(status) = self.status(limit).await else {
            return Ok(v1::StatusResponse {
                version,
                problem: self.membership().why_not_ready(),
                ..v1::StatusResponse::default()
            });
        };
        let admissions = self.membership().admissions().borrow().clone();
        let members = status.members.into_iter();
        Ok(v1::StatusResponse {
            version,
            cluster_id: status.cluster_id.to_string(),
            config_id: status.config_id.to_string(),
            epoch: status.epoch.to_string(),
            joint: status.joint,
            members: members.map(|it| member(it, &admissions)).collect(),
            operations_in_flight: status.operations_in_flight,
            problem: String::new(),
            membership: None,
        })
    }
}

fn member(status: MemberStatus, admissions: &Admissions) -> v1::MemberStatus {
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
            // One that is not admitted answers who it is, and no operation.
            message.reachable = identity.admitted;
            message.problem = problems(&message.pod, &identity, admissions).join("; ");
            message.keys = identity.keys;
            message.refuses_writes = identity.disk_full;
            if let Some(held) = identity.config {
                message.epoch = held.config.epoch().to_string();
            }
        }
        Err(error) => message.problem = error.to_string(),
    }
    message
}

/// What is wrong with a member that answers.
fn problems(pod: &str, identity: &Identity, admissions: &Admissions) -> Vec<String> {
    let mut problems = Vec::new();
    if !identity.admitted {
        let unknown = "it serves nothing until its boot is admitted".to_owned();
        let why = admissions.why_not(pod);
        problems.push(why.map_or(unknown, |why| format!("it serves nothing: {why}")));
    }
    if identity.leaving {
        problems
            .push("it was told to end, and serves on until it is no member any more".to_owned());
    }
    if identity.disk_full {
        problems.push("its disk is nearly full: it refuses writes".to_owned());
    }
    // It is the member all the same, since its disk is what the config names; but coordinators
    // look for it under the config's name, and people for the other.
    if identity.pod != pod {
        let own = &identity.pod;
        problems.push(format!(
            "it was started as {own}: start it with the config's name, --pod {pod}"
        ));
    }
    problems
}
