//! An election that only saves work: of several coordinators one changes the members.
//!
//! Nothing is safe because of it. Two that both believe they lead do no harm: every change is
//! a swap of the config's exact version. Times are this process's own; clocks of different
//! machines are never compared.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::PostParams;
use quorate_register::Entropy;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::access::{Answer, ApiAccess, ApiProblem};

/// As in a Role.
const LEASES: &str = "leases.coordination.k8s.io";

/// How an election goes.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTimes {
    /// A Lease that nobody renewed for this time may be taken.
    pub duration: Duration,
    /// How often it is renewed, and looked at by the others.
    pub renewal: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renewal: Duration::from_secs(3),
        }
    }
}

impl LeaseTimes {
    /// The holder stops before others may begin.
    fn held_for(&self) -> Duration {
        self.duration.mul_f64(0.7)
    }
}

/// Whether this coordinator leads; clones follow the same election.
#[derive(Debug, Clone)]
pub struct Leadership(watch::Receiver<bool>);

impl Leadership {
    /// Whether it does at this moment.
    pub fn is_leader(&self) -> bool {
        *self.0.borrow()
    }

    /// Follows it.
    pub fn changes(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }
}

/// A candidate for a Lease.
pub struct Elector {
    access: ApiAccess,
    name: String,
    identity: String,
    times: LeaseTimes,
    leads: watch::Sender<bool>,
    entropy: Arc<dyn Entropy>,
}

impl Elector {
    /// A candidate for the Lease of this name. `identity` is the pod's name; something random is
    /// added, so that no two processes are the same candidate.
    pub fn new(
        access: ApiAccess,
        name: impl Into<String>,
        identity: &str,
        times: LeaseTimes,
        entropy: Arc<dyn Entropy>,
    ) -> (Self, Leadership) {
        let (leads, follows) = watch::channel(false);
        let elector = Self {
            access,
            name: name.into(),
            identity: format!("{identity}_{:016x}", entropy.bits() as u64),
            times,
            leads,
            entropy,
        };
        (elector, Leadership(follows))
    }

    /// Runs for ever. While the API is away nobody leads, and nothing that needs a leader could
    /// be done either.
    pub async fn run(self) {
        let mut seen = Seen::default();
        let mut held_until = None;
        loop {
            let started = Instant::now();
            let step = self.step(&mut seen);
            let mut step = std::pin::pin!(step);
            let ended = loop {
                tokio::select! {
                    biased;
                    () = expires(held_until) => {
                        held_until = None;
                        self.lead(false);
                    }
                    ended = &mut step => break ended,
                }
            };
            match ended {
                // Counted from before the request: others count from after it.
                Ok(true) => {
                    held_until = Some(started + self.times.held_for());
                    self.lead(true);
                }
                Ok(false) => {
                    held_until = None;
                    self.lead(false);
                }
                Err(problem) => tracing::debug!(%problem, "no answer about the Lease"),
            }
            tokio::select! {
                () = expires(held_until) => {
                    held_until = None;
                    self.lead(false);
                }
                () = sleep(self.pause()) => {}
            }
        }
    }

    /// A little less or more than the interval, so that candidates do not go in step.
    fn pause(&self) -> Duration {
        let fraction = (self.entropy.bits() as u8) as f64 / 255.0;
        self.times.renewal.mul_f64(0.8 + 0.4 * fraction)
    }

    fn lead(&self, leads: bool) {
        let change = |is: &mut bool| std::mem::replace(is, leads) != leads;
        if self.leads.send_if_modified(change) {
            self.access.metrics().lease_is_held(leads);
            tracing::info!(leads, lease = self.name, "the election's outcome changed");
        }
    }

    /// Looks at the Lease and takes or renews it if it may; whether it has it now.
    async fn step(&self, seen: &mut Seen) -> Result<bool, ApiProblem> {
        let api = Api::<Lease>::namespaced(self.access.client(), self.access.namespace());
        let get = api.get(&self.name);
        let lease = match self.access.call("get", LEASES, get).await {
            Ok(lease) => lease,
            Err(problem) if problem.answer == Answer::NotFound => {
                let parameters = PostParams::default();
                let lease = self.taken(ObjectMeta::default(), None);
                let create = api.create(&parameters, &lease);
                return won(self.access.call("create", LEASES, create).await);
            }
            Err(problem) => return Err(problem),
        };
        seen.saw(&lease, Instant::now());
        let spec = lease.spec.unwrap_or_default();
        if !seen.may_take(&self.identity, self.times.duration, Instant::now()) {
            return Ok(false);
        }
        // Labels and the like stay; with this version the PUT is a compare-and-swap.
        let lease = self.taken(lease.metadata, Some(spec));
        assert!(
            lease.metadata.resource_version.is_some(),
            "a PUT without a version overwrites blindly"
        );
        let parameters = PostParams::default();
        let replace = api.replace(&self.name, &parameters, &lease);
        won(self.access.call("update", LEASES, replace).await)
    }

    /// The Lease as this candidate holds it. Its times are for people and other programs.
    fn taken(&self, metadata: ObjectMeta, before: Option<LeaseSpec>) -> Lease {
        let before = before.unwrap_or_default();
        let now = Some(MicroTime(Timestamp::now()));
        let renews = before.holder_identity.as_deref() == Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or(0);
        Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                managed_fields: None,
                ..metadata
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(self.times.duration.as_secs().max(1) as i32),
                acquire_time: if renews {
                    before.acquire_time
                } else {
                    now.clone()
                },
                renew_time: now,
                lease_transitions: Some(transitions.saturating_add(i32::from(!renews))),
                ..LeaseSpec::default()
            }),
        }
    }
}

async fn expires(held_until: Option<Instant>) {
    match held_until {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

fn won(result: Result<Lease, ApiProblem>) -> Result<bool, ApiProblem> {
    match result {
        Ok(_) => Ok(true),
        Err(problem) if matches!(problem.answer, Answer::Conflict | Answer::NotFound) => Ok(false),
        Err(problem) => Err(problem),
    }
}

/// The Lease as it was last seen, and since when.
#[derive(Debug, Default)]
struct Seen {
    holder: String,
    /// Uid and resourceVersion: any renewal changes it.
    version: (Option<String>, Option<String>),
    since: Option<Instant>,
}

impl Seen {
    fn saw(&mut self, lease: &Lease, now: Instant) {
        let metadata = &lease.metadata;
        let version = (metadata.uid.clone(), metadata.resource_version.clone());
        if self.since.is_none() || self.version != version {
            self.version = version;
            self.since = Some(now);
        }
        let holder = lease
            .spec
            .as_ref()
            .and_then(|it| it.holder_identity.clone());
        self.holder = holder.unwrap_or_default();
    }

    /// Whether it is one's own, nobody's, or was not renewed for `duration` of one's own time.
    fn may_take(&self, identity: &str, duration: Duration, now: Instant) -> bool {
        let unchanged = self.since.map_or(Duration::ZERO, |since| now - since);
        self.holder == identity || self.holder.is_empty() || unchanged >= duration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DURATION: Duration = Duration::from_secs(15);

    fn lease(holder: &str, version: &str) -> Lease {
        Lease {
            metadata: ObjectMeta {
                uid: Some("u".to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                ..LeaseSpec::default()
            }),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_taken_when_its_holder_is_silent_by_our_own_clock() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        let may = |seen: &Seen, seconds| seen.may_take("me", DURATION, after(seconds));
        // However old it is, it is watched for the whole time first.
        seen.saw(&lease("other", "1"), start);
        assert!(!may(&seen, 0));
        seen.saw(&lease("other", "1"), after(14));
        assert!(!may(&seen, 14));
        // A renewal, and it begins again.
        seen.saw(&lease("other", "2"), after(14));
        assert!(!may(&seen, 28));
        seen.saw(&lease("other", "2"), after(29));
        assert!(may(&seen, 29));
    }

    #[tokio::test(start_paused = true)]
    async fn ones_own_and_nobodys_are_taken_at_once() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        seen.saw(&lease("me", "1"), start);
        assert!(seen.may_take("me", DURATION, start));
        seen.saw(&lease("", "2"), start);
        assert!(seen.may_take("me", DURATION, start));
    }
}
