//! What a client is told when its operation does not complete.

use quorate_register::{OperationError, Reason};

use crate::quorum::{Failure, Phase, Progress};

/// Why an operation ended without its quorums.
#[derive(Debug)]
pub(crate) enum End {
    /// Within its time, by itself.
    Failed(Failure),
    /// The time is up.
    Deadline,
    /// The coordinator stops.
    Stopped,
}

/// Whether `writes` began its second phase: then nobody knows whether it takes effect.
fn is_unknown(writes: bool, progress: &Progress) -> bool {
    let latest = progress.latest();
    writes && latest.is_some_and(|round| round.phase == Phase::Write)
}

/// The error for an operation, which `writes` or is a get.
pub(crate) fn error(end: End, writes: bool, progress: &Progress) -> OperationError {
    let (reason, opening) = match end {
        End::Failed(Failure::Exhausted) => {
            let message = "the key's counter is used up, it takes no more writes";
            return OperationError::not_applied(Reason::TimestampsExhausted, message);
        }
        End::Failed(Failure::Impossible) => {
            (Reason::QuorumImpossible, "no quorum is possible".to_owned())
        }
        End::Deadline => (Reason::NoQuorum, "no quorum by the deadline".to_owned()),
        End::Stopped => (Reason::Stopping, "the coordinator is stopping".to_owned()),
    };
    let mut error = match is_unknown(writes, progress) {
        true => OperationError::unknown(reason, opening),
        false => OperationError::not_applied(reason, opening),
    };
    describe(&mut error, progress);
    error
}

/// Adds needed and received per group, and the cause per replica.
fn describe(error: &mut OperationError, progress: &Progress) {
    let Some(round) = progress.latest() else {
        return;
    };
    let joint = round.config.is_joint();
    for shortfall in round.shortfalls() {
        let (needed, received) = (shortfall.needed, shortfall.received);
        let (group, suffix) = match joint {
            true => (
                format!(" of the {} group", shortfall.group),
                format!("/{}", shortfall.group),
            ),
            false => (String::new(), String::new()),
        };
        error.message += &format!(": needed {needed}{group}, received {received}");
        error
            .details
            .insert(format!("needed{suffix}"), needed.to_string());
        error
            .details
            .insert(format!("received{suffix}"), received.to_string());
    }
    error.message += &format!(" in the {} phase", round.phase.name());
    error
        .details
        .insert("phase".into(), round.phase.name().into());
    if let Some(obstacle) = &round.obstacle {
        error.message += &format!("; {obstacle}");
    }
    for (pod, cause) in round.causes() {
        error.message += &format!("; {pod}: {cause}");
        error.details.insert(format!("cause/{pod}"), cause);
    }
}
