//! All machines of a run and the network between them.

use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator::membership::RecoverError;
use tokio::time::{Instant, sleep};

use crate::coordinator::{BootObject, ConfigObject, CoordinatorHost, Front, Surroundings, Wanted};
use crate::faults::FaultKind;
use crate::invariant::Invariant;
use crate::judge::Judge;
use crate::network::{Conditions, Link, Route};
use crate::random::Random;
use crate::replica::ReplicaHost;
use crate::settings::Settings;
use crate::trace::Trace;

/// The machines of a run.
pub(crate) struct Fleet {
    pub(crate) seed: u64,
    /// How many replicas the first config has.
    pub(crate) first_members: usize,
    pub(crate) replicas: Vec<Arc<ReplicaHost>>,
    pub(crate) coordinators: Vec<Arc<CoordinatorHost>>,
    pub(crate) object: Arc<ConfigObject>,
    pub(crate) wanted: Arc<Wanted>,
    pub(crate) conditions: Arc<Conditions>,
    pub(crate) judge: Arc<Judge>,
    pub(crate) trace: Trace,
}

impl Fleet {
    /// Sets the machines up and starts a process on each.
    pub(crate) fn start(settings: &Settings, trace: &Trace) -> Self {
        let seed = settings.seed;
        let conditions = Arc::new(Conditions::new(settings.weather.clone()));
        let replicas: Vec<_> = (0..settings.all_replicas())
            .map(|index| ReplicaHost::new(index, settings, trace.clone()))
            .collect();
        let fixed = settings.changes.is_none();
        let judge = Arc::new(Judge::new(replicas.clone(), fixed, trace.clone()));
        let object = ConfigObject::new(seed, trace.clone());
        // On a branch that an object leads to which went back, a change may end that never counts.
        let rolled_back = settings.faults.kinds.contains(&FaultKind::RollBackConfig);
        let watching = judge.clone();
        let object = Arc::new(match rolled_back {
            true => object,
            false => object.showing(move |config| watching.finished(config)),
        });
        let boots = settings
            .boots_counted
            .then(|| Arc::new(BootObject::new(seed)));
        let pods = replicas.iter().map(|replica| replica.pod().to_owned());
        let wanted = Wanted::new(pods.collect(), settings.replicas, trace.clone());
        let wanted = Arc::new(wanted);
        let link = |coordinator: usize, replica: usize, host: &Arc<ReplicaHost>| {
            let name = format!("c{coordinator}>r{replica}");
            let route = Route::Replica {
                coordinator,
                replica,
            };
            let (host, conditions) = (host.clone(), conditions.clone());
            let link = Link::new(seed, name, route, host, conditions, trace.clone());
            Arc::new(link)
        };
        let coordinators: Vec<_> = (0..settings.coordinators)
            .map(|index| {
                let hosts = replicas.iter().enumerate();
                let links = hosts.map(|(r, host)| (host.pod().to_owned(), link(index, r, host)));
                let surroundings = Surroundings {
                    replicas: links.collect(),
                    object: object.clone(),
                    boots: boots.clone(),
                    wanted: wanted.clone(),
                    judge: judge.clone(),
                };
                CoordinatorHost::new(index, settings, surroundings, trace.clone())
            })
            .collect();
        let fleet = Self {
            seed,
            first_members: settings.replicas,
            replicas,
            coordinators,
            object,
            wanted,
            conditions,
            judge,
            trace: trace.clone(),
        };
        fleet.start_all();
        fleet
    }

    fn start_all(&self) {
        for replica in &self.replicas {
            replica.start();
        }
        for coordinator in &self.coordinators {
            coordinator.start();
        }
    }

    /// The register of a client, at any coordinator.
    pub(crate) fn front(&self, client: u64, patient: bool) -> Front {
        let hosts = self.coordinators.iter().enumerate();
        let links = hosts.map(|(coordinator, host)| {
            Arc::new(Link::new(
                self.seed,
                format!("client{client}>c{coordinator}"),
                Route::Client { coordinator },
                host.clone(),
                self.conditions.clone(),
                self.trace.clone(),
            ))
        });
        let random = Random::new(self.seed, &format!("client{client}"));
        Front::new(links.collect(), random, patient)
    }

    /// Ends every fault: all machines run, and messages arrive.
    pub(crate) fn heal(&self) {
        self.trace.event("healed", format_args!("all is healed"));
        self.conditions.heal();
        for replica in &self.replicas {
            replica.resume();
            replica.disk().memory().set_free_bytes(u64::MAX);
        }
        for coordinator in &self.coordinators {
            coordinator.resume();
        }
        self.start_all();
    }

    /// What a person does after the config object went back and replicas are split over configs
    /// of which none can become active: `quorate recover`, which does nothing otherwise.
    pub(crate) async fn recover(&self) {
        let Some(coordinator) = self.coordinators.first() else {
            return;
        };
        for _ in 0..20 {
            match coordinator.recover().await {
                Ok(()) | Err(RecoverError::Present { .. }) => return,
                Err(error) => self.trace.event("not recovered", format_args!("{error}")),
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until so many coordinators know the config; `false` when they did not in time.
    pub(crate) async fn ready(&self, coordinators: usize, limit: Duration) -> bool {
        let are_ready = || {
            let ready = self.coordinators.iter().filter(|c| c.is_ready());
            ready.count() >= coordinators
        };
        wait_for(are_ready, limit).await
    }

    /// Waits until nothing is under way any more.
    pub(crate) async fn quiet(&self) {
        let busy = || {
            let live = |c: &Arc<CoordinatorHost>| {
                let sum = |count: quorate_coordinator::LiveSnapshot| {
                    let operations = count.operations.abs() + count.attempts.abs();
                    operations + count.backoffs.abs() + count.background_writes.abs()
                };
                c.live().into_iter().map(sum).sum::<i64>()
            };
            let coordinators = self.coordinators.iter().map(live).sum::<i64>();
            let requests = self.replicas.iter().map(|r| r.requests_in_flight().abs());
            coordinators + requests.sum::<i64>()
        };
        if wait_for(|| busy() == 0, QUIET_LIMIT).await {
            return;
        }
        for coordinator in &self.coordinators {
            let live = coordinator.live();
            let finding = format!("{} counts {live:?}", coordinator.name());
            self.judge.broken(Invariant::NothingLeft, finding);
        }
        for replica in &self.replicas {
            let requests = replica.requests_in_flight();
            let finding = format!("{} counts {requests} requests", replica.pod());
            self.judge.broken(Invariant::NothingLeft, finding);
        }
    }

    /// Judges what the coordinators themselves saw that the protocol excludes.
    pub(crate) fn judge_coordinators(&self) {
        for coordinator in &self.coordinators {
            let violations = coordinator.violations();
            if violations > 0 {
                let finding = format!("{} counted {violations}", coordinator.name());
                self.judge.broken(Invariant::NoViolationCounted, finding);
            }
        }
    }

    /// Ends every process in good order, and waits until no task is left.
    pub(crate) async fn stop(&self) {
        for coordinator in &self.coordinators {
            coordinator.stop();
        }
        for replica in &self.replicas {
            replica.stop();
        }
        let metrics = tokio::runtime::Handle::current().metrics();
        if !wait_for(|| metrics.num_alive_tasks() == 0, QUIET_LIMIT).await {
            let tasks = metrics.num_alive_tasks();
            let finding = format!("{tasks} tasks go on though every process ended");
            self.judge.broken(Invariant::NothingLeft, finding);
        }
    }
}

/// Waits in virtual time until the condition holds; `false` when it did not within the limit.
async fn wait_for(condition: impl Fn() -> bool, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(Duration::from_millis(10)).await;
    }
    true
}

/// Longer than any deadline, background write and late message.
const QUIET_LIMIT: Duration = Duration::from_secs(30);
