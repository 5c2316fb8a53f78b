//! Which members answer, told when that changes: while a quorum answers, nothing else in the log
//! says that a member does not.

use std::collections::BTreeMap;

use crate::Status;

/// What each member did when it was asked last.
#[derive(Debug, Default)]
pub(crate) struct Reachability {
    answered: BTreeMap<String, bool>,
}

impl Reachability {
    /// Logs each member that stopped answering, or answers again. Members that left are forgotten.
    pub(crate) fn heard_of(&mut self, status: &Status) {
        let before = std::mem::take(&mut self.answered);
        for member in &status.members {
            let answers = member.identity.is_ok();
            // One that was not asked before is expected to answer.
            let answered = before.get(&member.pod).copied().unwrap_or(true);
            match &member.identity {
                Ok(_) if !answered => {
                    tracing::info!(member = member.pod, "the member answers again");
                }
                Err(problem) if answered => {
                    tracing::warn!(member = member.pod, %problem, "the member does not answer");
                }
                _ => {}
            }
            self.answered.insert(member.pod.clone(), answers);
        }
    }
}
