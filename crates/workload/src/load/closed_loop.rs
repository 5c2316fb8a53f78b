//! Each client makes one operation after the other.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::Register;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::{Instant, sleep};

use super::running::Shared;
use super::tally::Tally;

/// How long a client rests after a failure: a store that refuses at once is not to be asked
/// as fast as a processor can.
const REST: Duration = Duration::from_millis(10);

/// One client in flight.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) register: Arc<dyn Register>,
}

impl Worker {
    /// Runs until the load is over; the operation that is in flight then ends first. What
    /// ends while the load is measured counts.
    pub(super) async fn run(self, number: u64) -> Tally {
        let Shared {
            plan,
            stage,
            completions,
        } = self.shared.as_ref();
        let mut rng = SmallRng::seed_from_u64(number);
        let mut tally = Tally::default();
        while !stage.is_over() {
            let began = Instant::now();
            let (kind, result) = plan.perform(self.register.as_ref(), &mut rng).await;
            let latency = began.elapsed();
            let succeeded = result.is_ok();
            tally.note(kind, latency, result, stage.is_measuring());
            completions.note(succeeded);
            if !succeeded {
                sleep(REST).await;
            }
        }
        tally
    }
}
