//! What a coordinator knows of the store, asked anew.

use std::time::Duration;

use futures::future::join_all;
use quorate_register::{ClusterId, ConfigId, Epoch, Identity, ReplicaError, ReplicaId};
use tokio::time::{Instant, timeout};

use crate::Coordinator;
use crate::membership::{Location, Target};

/// How long a member has to say that it is there; whoever looks waits as long.
pub(crate) const MEMBER_LIMIT: Duration = Duration::from_secs(2);

/// The config and how its members answer.
#[derive(Debug, Clone)]
pub struct Status {
    /// The store.
    pub cluster_id: ClusterId,
    /// The config operated under.
    pub config_id: ConfigId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Whether two groups are counted.
    pub joint: bool,
    /// The members of both groups.
    pub members: Vec<MemberStatus>,
    /// Operations in flight here.
    pub operations_in_flight: u64,
}

/// How one member answers.
#[derive(Debug, Clone)]
pub struct MemberStatus {
    /// Its pod.
    pub pod: String,
    /// Its disk.
    pub replica_id: ReplicaId,
    /// Where it is reached.
    pub address: Option<String>,
    /// Where its pod runs.
    pub location: Location,
    /// Whether it is of the current group.
    pub current: bool,
    /// Whether it is of the next group.
    pub next: bool,
    /// What it said of itself, or why it did not.
    pub identity: Result<Identity, ReplicaError>,
    /// How long its answer took.
    pub latency: Duration,
}

/// How long a status waits for a config that is not known yet: two looks for it.
const CONFIG_LIMIT: Duration = Duration::from_millis(500);

impl Coordinator {
    /// Asks every member who it is, waiting at most `limit`; `None` while no config is known.
    ///
    /// A coordinator that knows none looks for one a few times a second: what a bootstrap made a
    /// moment ago is waited for.
    pub async fn status(&self, limit: Duration) -> Option<Status> {
        let mut epochs = self.membership().epochs();
        let known = epochs.wait_for(Option::is_some);
        let _ = timeout(limit.min(CONFIG_LIMIT), known).await;
        let view = self.membership().view()?;
        let config = view.config();
        let parts = config.parts();
        let is_in =
            |group: &[quorate_register::Member], id| group.iter().any(|m| m.replica_id == id);
        let answers = join_all(view.targets().iter().map(|target| identify(target, limit))).await;
        let members = view.targets().iter().zip(answers);
        let members = members.map(|(target, (identity, latency))| {
            let replica_id = target.fence.replica_id;
            MemberStatus {
                pod: target.pod.to_string(),
                replica_id,
                address: self.membership().directory().address(&target.pod),
                location: self.membership().directory().location(&target.pod),
                current: is_in(&parts.current, replica_id),
                next: parts
                    .next
                    .as_ref()
                    .is_some_and(|next| is_in(next, replica_id)),
                identity,
                latency,
            }
        });
        Some(Status {
            cluster_id: config.cluster_id(),
            config_id: config.id(),
            epoch: config.epoch(),
            joint: config.is_joint(),
            members: members.collect(),
            operations_in_flight: self.live().operations.max(0) as u64,
        })
    }
}

async fn identify(target: &Target, limit: Duration) -> (Result<Identity, ReplicaError>, Duration) {
    let started = Instant::now();
    let answer = timeout(limit, target.replica.identify(limit)).await;
    let identity = answer.unwrap_or(Err(ReplicaError::TimedOut { waited: limit }));
    let expected = target.fence.replica_id;
    let identity = identity.and_then(|identity| match identity.replica_id == expected {
        true => Ok(identity),
        false => Err(ReplicaError::WrongReplica {
            problem: format!(
                "a stranger with replica id {} is there",
                identity.replica_id
            ),
        }),
    });
    (identity, started.elapsed())
}
