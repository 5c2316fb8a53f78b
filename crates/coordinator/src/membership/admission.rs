//! Admitting replicas whose boots were compared with the boot counters.
//!
//! One [`admit_all`] reads the counters, asks every pod who it is, counts the boots that may be
//! counted by one compare-and-swap, and only once that is confirmed sends Admit. Any number of
//! coordinators may do this at once, and each may die anywhere: of two swaps one wins, and a
//! boot that is counted but not admitted yet is admitted by whoever looks next.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use quorate_register::{Boot, Config, Identity, Replica};
use tokio::time::timeout;

use super::boot_judgement::{Amnesia, BootJudgement, DiskFacts, judge_boot};
use super::{
    BootCounters, BootEntries, ConfigStoreError, Directory, StoredBoots, SwapOutcome, Volumes,
};

/// What was found about the replicas of all pods that answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admissions {
    /// One for each pod, in the directory's order.
    pub pods: Vec<PodAdmission>,
}

/// What was found about the replica in one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodAdmission {
    /// The pod.
    pub pod: String,
    /// The disk in it.
    pub replica_id: quorate_register::ReplicaId,
    /// Whether it is admitted, and otherwise why not.
    pub state: AdmissionState,
}

/// Whether a replica is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionState {
    /// It serves, and its boot is counted.
    Admitted,
    /// It will be admitted, or wiped, once this is over.
    Waiting(String),
    /// Its disk is an old copy, or may be one.
    Amnesiac(Amnesia),
    /// It held a config, and nobody counted its boots: a person must accept it.
    Unknown,
}

impl AdmissionState {
    /// A word for metrics: stable, and one of few.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Waiting(_) => "waiting",
            Self::Amnesiac(_) => "amnesiac",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for AdmissionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Admitted => f.write_str("admitted"),
            Self::Waiting(problem) => write!(f, "waits: {problem}"),
            Self::Amnesiac(amnesia) => write!(f, "set aside: {amnesia}"),
            Self::Unknown => f.write_str(
                "set aside: the disk held a config, and the boot counters know nothing of it",
            ),
        }
    }
}

/// A pod that answered.
pub(super) struct Found {
    pub(super) pod: String,
    pub(super) replica: Arc<dyn Replica>,
    pub(super) identity: Identity,
    /// The volume it lies on; an error when that could not be found out.
    pub(super) volume: Result<Option<String>, String>,
}

/// How often a look begins anew because somebody else changed the counters meanwhile.
const TRIES: usize = 4;

/// Looks once at all pods of the directory and admits whom it may.
///
/// `config` is the active config, if one is known: whom it retires is not admitted, and their
/// entries are dropped. Each pod and each Admit is waited for `limit` at most.
///
/// # Errors
/// When the counters cannot be read or written, or change all the time. Nobody was admitted
/// whose boot is not counted; look again.
pub async fn admit_all(
    directory: &dyn Directory,
    counters: &dyn BootCounters,
    volumes: Option<&dyn Volumes>,
    config: Option<&Config>,
    limit: Duration,
) -> Result<Admissions, ConfigStoreError> {
    for _ in 0..TRIES {
        // Before the identities: see `judge_boot`.
        let stored = counters.read().await?;
        let found = find_all(directory, volumes, limit).await;
        let entries = stored.as_ref().map(|stored| stored.entries.clone());
        let judged = judge_all(&entries.clone().unwrap_or_default(), &found, config);
        if judged.entries != entries.unwrap_or_default() {
            match write(counters, stored.as_ref(), &judged.entries).await? {
                SwapOutcome::Swapped(_) => {}
                SwapOutcome::Conflict => continue,
            }
        } else if judged.sets_aside() && !is_unchanged(counters, stored.as_ref()).await? {
            // Somebody counted a boot between the two questions; that is no amnesia.
            continue;
        }
        return Ok(admit(found, judged.decisions, limit).await);
    }
    Err(ConfigStoreError {
        problem: "the boot counters change all the time".into(),
    })
}

/// Creates or replaces what was read.
pub(super) async fn write(
    counters: &dyn BootCounters,
    stored: Option<&StoredBoots>,
    entries: &BootEntries,
) -> Result<SwapOutcome, ConfigStoreError> {
    match stored {
        Some(stored) => counters.swap(&stored.version, entries).await,
        None => counters.create(entries).await,
    }
}

async fn is_unchanged(
    counters: &dyn BootCounters,
    stored: Option<&StoredBoots>,
) -> Result<bool, ConfigStoreError> {
    let version = |stored: &StoredBoots| stored.version.clone();
    let now = counters.read().await?;
    Ok(now.as_ref().map(version) == stored.map(version))
}

/// Asks all pods at once.
pub(super) async fn find_all(
    directory: &dyn Directory,
    volumes: Option<&dyn Volumes>,
    limit: Duration,
) -> Vec<Found> {
    let asked = directory.pods().into_iter().map(|pod| async move {
        let replica = directory.pod(&pod)?;
        let identity = timeout(limit, replica.identify(limit)).await.ok()?.ok()?;
        let volume = match volumes {
            Some(volumes) if !identity.admitted => {
                let looked = timeout(limit, volumes.volume(&pod)).await;
                looked.unwrap_or_else(|_| Err("no answer".to_owned()))
            }
            _ => Ok(None),
        };
        Some(Found {
            pod,
            replica,
            identity,
            volume,
        })
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// What is done about one pod once the counters are written.
enum Decision {
    State(AdmissionState),
    Admit(Boot, Option<String>),
}

struct Judged {
    /// What the counters have to be before anybody is admitted.
    entries: BootEntries,
    /// By the pods found.
    decisions: Vec<Decision>,
}

impl Judged {
    fn sets_aside(&self) -> bool {
        let aside = |decision: &Decision| {
            matches!(
                decision,
                Decision::State(AdmissionState::Amnesiac(_) | AdmissionState::Unknown)
            )
        };
        self.decisions.iter().any(aside)
    }
}

fn judge_all(entries: &BootEntries, found: &[Found], config: Option<&Config>) -> Judged {
    let retired = |id| config.is_some_and(|config| config.parts().retired.contains(&id));
    let mut next = entries.clone();
    next.retain(|&id, _| !retired(id));
    let decisions = found.iter().map(|pod| {
        let identity = &pod.identity;
        let id = identity.replica_id;
        if retired(id) {
            let problem = "an active config retired its id; its disk is to be wiped".to_owned();
            return Decision::State(AdmissionState::Waiting(problem));
        }
        if let Some(other) = same_disk_elsewhere(pod, found) {
            let other = other.to_owned();
            let amnesia = Amnesia::TwoPods { other };
            return Decision::State(AdmissionState::Amnesiac(amnesia));
        }
        let volume = match &pod.volume {
            Ok(volume) => volume.as_deref(),
            Err(problem) => {
                let problem = format!("its volume is not known: {problem}");
                return Decision::State(AdmissionState::Waiting(problem));
            }
        };
        let facts = DiskFacts {
            identity,
            volume,
            known: is_known(id, found, config),
        };
        let entry = entries.get(&id);
        match judge_boot(entry, facts) {
            BootJudgement::Counted => Decision::State(AdmissionState::Admitted),
            BootJudgement::Amnesiac(why) => Decision::State(AdmissionState::Amnesiac(why)),
            BootJudgement::Unknown => Decision::State(AdmissionState::Unknown),
            BootJudgement::Admit => {
                let entry = entry.expect("its boot is counted");
                Decision::Admit(entry.boot, entry.volume.clone())
            }
            BootJudgement::Count(entry) => {
                next.insert(id, entry.clone());
                match identity.admitted {
                    true => Decision::State(AdmissionState::Admitted),
                    false => Decision::Admit(entry.boot, entry.volume),
                }
            }
        }
    });
    let decisions = decisions.collect();
    Judged {
        entries: next,
        decisions,
    }
}

/// Another pod with a disk of the same id: they are copies, and at most the one that serves is
/// the disk itself. One replica that two names lead to is none.
pub(super) fn same_disk_elsewhere<'a>(pod: &Found, found: &'a [Found]) -> Option<&'a str> {
    let is_twin = |other: &&Found| {
        other.identity.replica_id == pod.identity.replica_id
            && other.identity.pod != pod.identity.pod
    };
    let is_rival = |twin: &&Found| !pod.identity.admitted || twin.identity.admitted;
    let mut twins = found.iter().filter(is_twin);
    let rival = twins.find(is_rival)?;
    Some(&rival.pod)
}

/// Whether some config that is known lists the id, or lists it as retired.
fn is_known(id: quorate_register::ReplicaId, found: &[Found], config: Option<&Config>) -> bool {
    let held = found.iter().filter_map(|pod| pod.identity.config.as_ref());
    let configs = held.map(|held| &*held.config).chain(config);
    let mut configs = configs;
    configs.any(|config| config.lists(id) || config.parts().retired.contains(&id))
}

/// Sends Admit to those whose boots are counted.
async fn admit(found: Vec<Found>, decisions: Vec<Decision>, limit: Duration) -> Admissions {
    let pods = found.into_iter().zip(decisions);
    let admitted = pods.map(|(pod, decision)| async move {
        let replica_id = pod.identity.replica_id;
        let state = match decision {
            Decision::State(state) => state,
            Decision::Admit(boot, volume) => {
                let admit = pod
                    .replica
                    .admit(replica_id, boot, volume.as_deref(), limit);
                match timeout(limit, admit).await {
                    Ok(Ok(())) => AdmissionState::Admitted,
                    Ok(Err(error)) => AdmissionState::Waiting(error.to_string()),
                    Err(_) => AdmissionState::Waiting("no answer to Admit".to_owned()),
                }
            }
        };
        PodAdmission {
            pod: pod.pod,
            replica_id,
            state,
        }
    });
    Admissions {
        pods: join_all(admitted).await,
    }
}
