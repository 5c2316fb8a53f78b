//! What a reconfigurer tells people: its progress, its metrics, and news.

use quorate_register::Config;
use tokio::time::Instant;

use super::plan::Blocked;
use super::progress::{Ending, LastChange, Step};
use super::{ChangeError, Reconfigurer, next_pods, pods, transfer};
use crate::membership::News;

impl Reconfigurer {
    pub(super) fn show(&self, step: Step, joint: &Config) {
        let (from, to) = (pods(&joint.parts().current), next_pods(joint));
        self.parts.metrics.at(step);
        self.progress.send_modify(|progress| {
            if step != Step::Finishing && step != Step::Aborting {
                (progress.keys, progress.bytes) = (0, 0);
            }
            progress.step = step;
            progress.blocked = None;
            (progress.from, progress.to) = (from, to);
        });
    }

    pub(super) fn ended(&self, ending: Ending, config: &Config, since: Instant) {
        self.parts.metrics.ended(ending);
        self.parts.metrics.at(Step::Idle);
        let keys = self.progress.borrow().keys;
        let last = LastChange {
            ending,
            epoch: config.epoch(),
            keys,
            took: since.elapsed(),
        };
        self.progress.send_modify(|progress| {
            progress.step = Step::Idle;
            progress.last = Some(last);
        });
        let members = pods(&config.parts().current).join(", ");
        let (reason, message) = match ending {
            Ending::Finished => (
                "ChangeFinished",
                format!(
                    "the members are {members} at epoch {}; {keys} keys were transferred",
                    config.epoch()
                ),
            ),
            Ending::Aborted => (
                "ChangeAborted",
                format!(
                    "the change was given up, since too few of the new members answer; the members are {members} at epoch {}",
                    config.epoch()
                ),
            ),
        };
        self.announce(reason, ending == Ending::Aborted, message);
    }

    /// Tells why nothing goes on, once per reason.
    pub(super) fn explain(&self, error: &ChangeError) {
        let blocked = match error {
            ChangeError::Blocked(blocked) => blocked.clone(),
            // The next look finds out what the other one did.
            ChangeError::Conflict => return,
            ChangeError::Store(_) => Blocked::new("config_store", error.to_string()),
            ChangeError::NotActive { .. } => Blocked::new("not_active", error.to_string()),
            ChangeError::Transfer(_) => Blocked::new("transfer", error.to_string()),
            ChangeError::Transition(_) => Blocked::new("invalid", error.to_string()),
        };
        self.say_blocked(Some(&blocked));
        self.progress
            .send_modify(|progress| progress.blocked = Some(blocked));
    }

    pub(super) fn say_blocked(&self, blocked: Option<&Blocked>) {
        self.parts
            .metrics
            .blocked(blocked.map(|blocked| blocked.reason));
        let message = blocked.map_or("", |blocked| &blocked.message);
        let said = &mut self.noticed.lock().said;
        if *said == message {
            return;
        }
        message.clone_into(said);
        if let Some(blocked) = blocked {
            self.announce("ChangeBlocked", true, blocked.message.clone());
        }
    }

    pub(super) fn announce(&self, reason: &'static str, warning: bool, message: String) {
        match warning {
            true => tracing::warn!(reason, "{message}"),
            false => tracing::info!(reason, "{message}"),
        }
        self.parts.workload.announce(&News {
            reason,
            warning,
            message,
        });
    }
}

impl transfer::Observer for Reconfigurer {
    fn transferred(&self, keys: u64, bytes: u64) {
        self.parts.metrics.transferred(keys);
        self.progress.send_modify(|progress| {
            progress.keys += keys;
            progress.bytes += bytes;
        });
    }

    fn busy(&self) -> bool {
        self.parts.live.snapshot().operations > 0
    }
}
