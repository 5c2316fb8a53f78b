//! Operations begin when they are due, whether or not others have ended.

use std::sync::Arc;

use parking_lot::Mutex;
use quorate_register::Register;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::running::Shared;
use super::schedule::Schedule;
use super::tally::Tally;

/// The most operations in flight. A load that reaches it begins operations late; their
/// latencies count from when they were due all the same.
const MAX_IN_FLIGHT: u32 = 8192;

/// Begins operations by a schedule, on the registers in turn.
pub(super) struct Pacer {
    pub(super) shared: Arc<Shared>,
    pub(super) registers: Vec<Arc<dyn Register>>,
    pub(super) per_second: u32,
}

impl Pacer {
    /// Runs until the load is over and all operations have ended. What begins while the load
    /// is measured counts. A latency begins when the operation was due, so that one which had
    /// to wait for its turn is not taken for a fast one (coordinated omission). Due instants
    /// between two ticks of tokio's timer, a millisecond apart, wait for the next tick, and
    /// that counts too.
    pub(super) async fn run(self) -> Tally {
        let permits = Arc::new(Semaphore::new(MAX_IN_FLIGHT as usize));
        let tally = Arc::new(Mutex::new(Tally::default()));
        let schedule = Schedule::new(Instant::now(), self.per_second);
        let mut seeds = SmallRng::seed_from_u64(0);
        for (number, register) in (0..).zip(self.registers.iter().cycle()) {
            let due = schedule.due(number);
            sleep_until(due).await;
            if self.shared.stage.is_over() {
                break;
            }
            let permit = permits.clone().acquire_owned().await;
            let counts = self.shared.stage.is_measuring();
            let mut rng = SmallRng::seed_from_u64(seeds.next_u64());
            let (shared, register, tally) = (self.shared.clone(), register.clone(), tally.clone());
            tokio::spawn(async move {
                let (kind, result) = shared.plan.perform(register.as_ref(), &mut rng).await;
                shared.completions.note(result.is_ok());
                tally.lock().note(kind, due.elapsed(), result, counts);
                drop(permit);
            });
        }
        // All permits are back once all operations have ended.
        let all = permits.acquire_many(MAX_IN_FLIGHT).await;
        drop(all);
        std::mem::take(&mut *tally.lock())
    }
}
