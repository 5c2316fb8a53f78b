//! What a reconfigurer sees of the replicas before it plans, and the end of disks that left.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{Config, ReplicaId};
use tokio::time::{Instant, timeout};

use super::plan::Seen;
use super::{Reconfigurer, pods};
use crate::membership::{AdmissionState, Directory, record_active};

impl Reconfigurer {
    /// Whether all members that can be repaired were found in step under this config.
    pub(super) fn is_repaired(&self, config: &Config) -> bool {
        let Some(repair) = &self.parts.repair else {
            return true;
        };
        let status = repair.borrow();
        let same = status.config.is_some_and(|(_, id)| id == config.id());
        let mut members = status.members.iter();
        same && members.all(|member| member.in_step.is_some() || member.problem.is_some())
    }

    /// Ends the disks that were members and are in no group any more: they are wiped, and may join
    /// again as new ones. `config` is active, and was just read from the store. `true` when there
    /// was one.
    pub(super) async fn retire(&self, config: &Arc<Config>, seen: &[Seen]) -> bool {
        let left = |seen: &&Seen| {
            let retired = config.parts().retired.contains(&seen.replica_id);
            !config.lists(seen.replica_id) && (!seen.virgin || retired)
        };
        let left: Vec<_> = seen.iter().filter(left).collect();
        let limit = self.parts.options.probe_limit;
        let early = active(Mutation::RetiredOnInactive);
        // Who left may be among the few by whom the config can be proven active.
        if left.is_empty() || !early && !record_active(self.directory(), config, limit).await {
            return false;
        }
        let mut any = false;
        for seen in left {
            let Some(replica) = self.directory().pod(&seen.pod) else {
                continue;
            };
            let retiring = replica.retire(seen.replica_id, config, limit);
            match timeout(limit, retiring).await {
                Ok(Ok(())) => {
                    any = true;
                    let (pod, id) = (&seen.pod, seen.replica_id);
                    self.announce(
                        "ReplicaRetired",
                        false,
                        format!("{pod}: replica {id} is no member any more, and its disk is wiped"),
                    );
                }
                Ok(Err(error)) => {
                    tracing::debug!(pod = seen.pod, %error, "a replica was not retired");
                }
                Err(_) => tracing::debug!(pod = seen.pod, "a replica was not retired in time"),
            }
        }
        any
    }

    /// The disks in all pods that are known or wanted.
    pub(super) async fn look(&self, wanted: Option<&[String]>, config: &Config) -> Vec<Seen> {
        let directory = self.directory();
        let mut pods = pods(&config.parts().current);
        pods.extend(wanted.into_iter().flatten().cloned());
        pods.extend(directory.pods());
        pods.sort_unstable();
        pods.dedup();
        let limit = self.parts.options.probe_limit;
        let answers = pods
            .into_iter()
            .map(|pod| look_at(directory, pod, limit).boxed());
        let answers: Vec<_> = answers.collect();
        join_all(answers).await.into_iter().flatten().collect()
    }

    /// Members whose disks are old copies, which serve nothing.
    fn amnesiacs(&self, config: &Config) -> Vec<ReplicaId> {
        let admissions = self.parts.membership.admissions();
        let admissions = admissions.borrow();
        let found = admissions.pods.iter();
        let amnesiacs = found.filter(|found| matches!(found.state, AdmissionState::Amnesiac(_)));
        let listed = amnesiacs.map(|found| found.replica_id);
        listed.filter(|&id| config.lists(id)).collect()
    }

    /// Which of the disks in a member's place were there for long enough, and which of the members
    /// were found to be old copies for as long.
    pub(super) fn settled(&self, config: &Config, seen: &[Seen]) -> Vec<ReplicaId> {
        let now = Instant::now();
        let strangers = seen.iter().filter(|seen| !config.lists(seen.replica_id));
        let mut strangers: Vec<_> = strangers.map(|seen| seen.replica_id).collect();
        strangers.extend(self.amnesiacs(config));
        let delay = self.parts.options.swap_delay;
        let noticed = &mut *self.noticed.lock();
        noticed.strangers.retain(|id, _| strangers.contains(id));
        noticed.leaving.retain(|&id| config.lists(id));
        let mut since = |id: &ReplicaId| *noticed.strangers.entry(*id).or_insert(now);
        strangers
            .into_iter()
            .filter(|id| now - since(id) >= delay)
            .collect()
    }
}

/// The disk in a pod, if it answers in time.
async fn look_at(directory: &dyn Directory, pod: String, limit: Duration) -> Option<Seen> {
    let replica = directory.pod(&pod)?;
    let identity = timeout(limit, replica.identify(limit)).await.ok()?.ok()?;
    Some(Seen {
        pod,
        replica_id: identity.replica_id,
        virgin: identity.cluster_id.is_none(),
        admitted: identity.admitted,
    })
}
