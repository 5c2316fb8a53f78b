//! The loop that admits replicas, and what it makes known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::CoordinatorMetrics;
use crate::membership::{AdmissionState, Admissions, BootCounters, Membership, Volumes, admit_all};

/// How often all pods are asked, and how long each has to answer.
const INTERVAL: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(2);

/// Admits replicas, again and again, until dropped.
pub(crate) async fn keep_admitting(
    membership: Arc<Membership>,
    counters: Arc<dyn BootCounters>,
    volumes: Option<Arc<dyn Volumes>>,
    metrics: CoordinatorMetrics,
) {
    let mut said = Said::default();
    loop {
        let config = membership.view().map(|view| view.config().clone());
        let admissions = admit_all(
            &**membership.directory(),
            &*counters,
            volumes.as_deref(),
            config.as_deref(),
            LIMIT,
        );
        match admissions.await {
            Ok(admissions) => {
                said.news(&admissions, &metrics);
                metrics.admission_states(&admissions);
                membership.publish_admissions(admissions);
            }
            Err(error) => said.problem(&error.to_string()),
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What was logged and counted, so that only changes are.
#[derive(Default)]
struct Said {
    states: BTreeMap<String, (quorate_register::ReplicaId, AdmissionState)>,
    problem: String,
}

impl Said {
    fn news(&mut self, admissions: &Admissions, metrics: &CoordinatorMetrics) {
        self.problem.clear();
        for found in &admissions.pods {
            let now = (found.replica_id, found.state.clone());
            if self.states.get(&found.pod) == Some(&now) {
                continue;
            }
            metrics.admission(found.state.name());
            let (pod, replica_id, state) = (&found.pod, found.replica_id, &found.state);
            match state {
                AdmissionState::Admitted => {
                    tracing::info!(pod, %replica_id, "the replica is admitted");
                }
                state => tracing::warn!(pod, %replica_id, "the replica is not admitted: {state}"),
            }
            self.states.insert(found.pod.clone(), now);
        }
    }

    fn problem(&mut self, problem: &str) {
        if self.problem != problem {
            tracing::warn!(problem, "no replica can be admitted");
            problem.clone_into(&mut self.problem);
        }
    }
}
