//! A load from its start to its end.

use std::sync::Arc;

use quorate_register::Register;
use tokio::task::JoinSet;

use super::closed_loop::Worker;
use super::completions::Completions;
use super::open_loop::Pacer;
use super::plan::Plan;
use super::stage::Stage;
use super::tally::Tally;

/// Operations that go on until the load is stopped: first to warm up, then to be measured.
/// Dropped, it breaks off.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    tasks: JoinSet<Tally>,
}

/// What the tasks of a load share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Arc<Plan>,
    pub(super) stage: Stage,
    pub(super) completions: Completions,
}

impl Load {
    /// A closed loop: so many operations are in flight at any time, spread over the
    /// registers. What ends while it is measured counts.
    pub fn closed(plan: Arc<Plan>, registers: &[Arc<dyn Register>], in_flight: usize) -> Self {
        let mut load = Self::new(plan);
        for (number, register) in (0..in_flight).zip(registers.iter().cycle()) {
            let worker = Worker {
                shared: load.shared.clone(),
                register: register.clone(),
            };
            load.tasks.spawn(worker.run(number as u64));
        }
        load
    }

    /// An open loop: so many operations begin every second, one register after the other.
    /// What begins while it is measured counts, and its latency counts from when it was due.
    pub fn open(plan: Arc<Plan>, registers: &[Arc<dyn Register>], per_second: u32) -> Self {
        let mut load = Self::new(plan);
        let pacer = Pacer {
            shared: load.shared.clone(),
            registers: registers.to_vec(),
            per_second,
        };
        load.tasks.spawn(pacer.run());
        load
    }

    fn new(plan: Arc<Plan>) -> Self {
        let shared = Shared {
            plan,
            stage: Stage::default(),
            completions: Completions::new(),
        };
        Self {
            shared: Arc::new(shared),
            tasks: JoinSet::new(),
        }
    }

    /// Ends the warm-up.
    pub fn measure(&self) {
        self.shared.stage.measure();
    }

    /// Ends the measurement: no further operation begins.
    pub fn stop(&self) {
        self.shared.stage.end();
    }

    /// What ended so far.
    pub fn completions(&self) -> &Completions {
        &self.shared.completions
    }

    /// Waits for the operations in flight, after [`Self::stop`].
    pub async fn finish(mut self) -> Tally {
        self.stop();
        let mut tally = Tally::default();
        while let Some(task) = self.tasks.join_next().await {
            match task {
                Ok(part) => tally.add(part),
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        tally
    }
}
