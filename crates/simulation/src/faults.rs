//! What happens to machines and connections, drawn from the seed.

mod cut;
mod kind;
mod restore;
mod wipe;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use quorate_replica::StoreError;
use tokio::task::JoinSet;
use tokio::time::sleep;

use cut::both_ways;
pub use kind::FaultKind;

use crate::fleet::Fleet;
use crate::network::{Direction, Route};
use crate::random::Random;
use crate::settings::{FaultSettings, Settings};

/// Lets faults happen, one after the other and on top of each other, each for a while.
pub(crate) struct Faults {
    settings: FaultSettings,
    fleet: Arc<Fleet>,
    random: Random,
    /// The smallest size that is wanted; `None` when members never change.
    smallest: Option<usize>,
    /// Whose disks are wiped or restored, or about to be: with more than a minority gone the data is gone.
    wiped: Vec<usize>,
}

impl Faults {
    /// The faults of a run.
    pub(crate) fn new(settings: &Settings, fleet: &Arc<Fleet>) -> Self {
        let loses = |kind: &FaultKind| kind.loses_disk();
        let wipes = settings.faults.kinds.iter().any(loses);
        // Every group can spare the one disk that is wiped.
        let smallest = if wipes { 3 } else { 1 };
        Self {
            smallest: settings.changes.map(|_| smallest),
            settings: settings.faults.clone(),
            fleet: fleet.clone(),
            random: Random::new(fleet.seed, "faults"),
            wiped: Vec::new(),
        }
    }

    /// Goes on until the future is dropped, and with it what would have ended the faults: the
    /// caller heals the fleet then.
    pub(crate) async fn run(mut self) {
        let mut lasting = JoinSet::new();
        if self.settings.kinds.is_empty() {
            return;
        }
        loop {
            sleep(self.random.milliseconds(self.settings.every_ms.clone())).await;
            while lasting.try_join_next().is_some() {}
            let kind = self.random.pick(&self.settings.kinds);
            let lasts = self.random.milliseconds(self.settings.lasts_ms.clone());
            if lasting.len() >= MOST_AT_ONCE {
                continue;
            }
            let begun = self.begin(kind, lasts);
            if !matches!(begun, Begun::Nothing) {
                let text = format_args!("{}", kind.name());
                self.fleet.trace.event(kind.name(), text);
            }
            if let Begun::Lasting(course) = begun {
                lasting.spawn(course);
            }
        }
    }

    /// Begins a fault.
    fn begin(&mut self, kind: FaultKind, lasts: Duration) -> Begun {
        let coordinator = self.pick_coordinator();
        let replica = self.pick_replica();
        let end = match kind {
            FaultKind::WipeDisk => {
                let course = self.wipe_disk(replica, lasts);
                return course.map_or(Begun::Nothing, Begun::Lasting);
            }
            FaultKind::RestoreDisk => {
                let course = self.restore_disk(replica, lasts);
                return course.map_or(Begun::Nothing, Begun::Lasting);
            }
            FaultKind::ChangeSize => {
                let all = self.fleet.replicas.len();
                let Some(smallest) = self.smallest.filter(|smallest| *smallest <= all) else {
                    return Begun::Nothing;
                };
                let size = self.random.number(smallest as u64..=all as u64);
                self.fleet.wanted.set(size as usize);
                return Begun::Over;
            }
            FaultKind::RollBackConfig => {
                // Together with a lost disk it may take a person to say which config goes on.
                let wipes = self.settings.kinds.iter().any(|kind| kind.loses_disk());
                let allowed = self.smallest.is_some() && !wipes;
                return match allowed && self.fleet.object.roll_back() {
                    true => Begun::Over,
                    false => Begun::Nothing,
                };
            }
            FaultKind::CrashReplica => self.crash_replicas(replica, 1),
            FaultKind::CrashAllReplicas => self.crash_replicas(replica, self.fleet.replicas.len()),
            FaultKind::PauseReplica => self.pause_replica(replica),
            FaultKind::FailSync => {
                let problem = "injected: the sync failed".to_owned();
                let failure = StoreError::Failed { problem };
                let disk = self.fleet.replicas[replica].disk();
                disk.memory().fail_next_sync(failure);
                return Begun::Over;
            }
            FaultKind::FillDisk => self.fill_disk(replica),
            FaultKind::CrashCoordinator => self.end_coordinator(coordinator, true),
            FaultKind::StopCoordinator => self.end_coordinator(coordinator, false),
            FaultKind::PauseCoordinator => self.pause_coordinator(coordinator),
            FaultKind::CutOneWay => {
                let direction = self.random.pick(&[Direction::Request, Direction::Answer]);
                let route = Route::Replica {
                    coordinator,
                    replica,
                };
                self.cut(vec![(route, direction)])
            }
            FaultKind::CutLink => self.cut(both_ways(&[coordinator], &[replica])),
            FaultKind::IsolateReplica => {
                let coordinators: Vec<_> = (0..self.fleet.coordinators.len()).collect();
                self.cut(both_ways(&coordinators, &[replica]))
            }
            FaultKind::Partition => {
                let replicas = 0..self.fleet.replicas.len();
                let apart: Vec<_> = replicas.filter(|_| self.random.chance(0.5)).collect();
                self.cut(both_ways(&[coordinator], &apart))
            }
        };
        Begun::Lasting(Box::pin(async move {
            sleep(lasts).await;
            end();
        }))
    }

    fn pick_replica(&self) -> usize {
        self.random.index(self.fleet.replicas.len())
    }

    fn pick_coordinator(&self) -> usize {
        self.random.index(self.fleet.coordinators.len())
    }

    fn crash_replicas(&self, first: usize, count: usize) -> End {
        let all = self.fleet.replicas.iter().cycle().skip(first).take(count);
        let crashed: Vec<_> = all.filter(|replica| replica.crash()).cloned().collect();
        Box::new(move || {
            for replica in &crashed {
                replica.start();
            }
        })
    }

    fn pause_replica(&self, replica: usize) -> End {
        let replica = self.fleet.replicas[replica].clone();
        replica.pause();
        Box::new(move || replica.resume())
    }

    fn fill_disk(&self, replica: usize) -> End {
        let replica = self.fleet.replicas[replica].clone();
        let text = format_args!("{}'s disk is full", replica.pod());
        self.fleet.trace.event("disk filled", text);
        replica.disk().memory().set_free_bytes(0);
        Box::new(move || replica.disk().memory().set_free_bytes(u64::MAX))
    }

    fn end_coordinator(&self, coordinator: usize, at_once: bool) -> End {
        let coordinator = self.fleet.coordinators[coordinator].clone();
        match at_once {
            true => coordinator.crash(),
            false => coordinator.shut_down(),
        };
        Box::new(move || {
            coordinator.start();
        })
    }

    fn pause_coordinator(&self, coordinator: usize) -> End {
        let coordinator = self.fleet.coordinators[coordinator].clone();
        coordinator.pause();
        Box::new(move || coordinator.resume())
    }
}

/// What became of a fault.
enum Begun {
    /// It makes no sense at this moment.
    Nothing,
    /// It happened, and has no end.
    Over,
    /// It goes on, and ends itself.
    Lasting(Course),
}

/// A fault that lasts and then ends itself.
type Course = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What ends a fault.
type End = Box<dyn FnOnce() + Send>;

/// The most faults that last at one time.
const MOST_AT_ONCE: usize = 8;
