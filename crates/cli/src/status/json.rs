//! A status for programs.

use quorate_client::{MemberStatus, MembershipStatus, StatusResponse};
use serde_json::{Value, json};

use super::Answer;
use super::verdict::{Health, Verdict};

/// The object of a status as `answer` has it, `answers` being those of all coordinators.
pub(crate) fn status(
    answers: &[Answer],
    answer: &Answer,
    status: &StatusResponse,
    verdict: &Verdict,
) -> Value {
    let health = match verdict.health {
        Health::Healthy => "healthy",
        Health::Degraded => "degraded",
        Health::ReadOnly => "read_only",
        Health::NoQuorum => "no_quorum",
        Health::NotReady => "not_ready",
    };
    json!({
        "health": health,
        "reason": verdict.reason,
        "may_be_lost": verdict.margin,
        "cluster_id": status.cluster_id,
        "config_id": status.config_id,
        "epoch": status.epoch,
        "joint": status.joint,
        "change": status.membership.as_ref().map(change),
        "seen_by": answer.endpoint,
        "members": status.members.iter().map(member).collect::<Vec<_>>(),
        "coordinators": answers.iter().map(coordinator).collect::<Vec<_>>(),
    })
}

fn change(membership: &MembershipStatus) -> Value {
    json!({
        "wanted": membership.wanted,
        "step": membership.step,
        "from": membership.from,
        "to": membership.to,
        "keys_transferred": membership.keys_transferred,
        "bytes_transferred": membership.bytes_transferred,
        "blocked_reason": problem(&membership.blocked_reason),
        "blocked": problem(&membership.blocked),
        "last_change": problem(&membership.last_change),
    })
}

fn member(member: &MemberStatus) -> Value {
    json!({
        "pod": member.pod,
        "replica_id": member.replica_id,
        "address": member.address,
        "current": member.current,
        "next": member.next,
        "reachable": member.reachable,
        "problem": problem(&member.problem),
        "refuses_writes": member.refuses_writes,
        "epoch": member.epoch,
        "keys": member.keys,
        "latency_us": member.latency_us,
        "lag_buckets": member.lag_buckets,
    })
}

fn problem(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn coordinator(answer: &Answer) -> Value {
    match &answer.status {
        Ok(status) => json!({
            "endpoint": answer.endpoint,
            "reachable": true,
            "problem": null,
            "version": status.version,
            "epoch": status.epoch,
            "operations_in_flight": status.operations_in_flight,
        }),
        Err(error) => json!({
            "endpoint": answer.endpoint,
            "reachable": false,
            "problem": answer.problem(error),
        }),
    }
}
