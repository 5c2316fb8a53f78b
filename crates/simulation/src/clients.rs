//! What clients do in a run: first under faults, then after all is healed.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use quorate_workload::{Client, Generators, Options, Outcome, Recorder};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;
use crate::invariant::Invariant;
use crate::settings::Settings;

/// The number of the first client after healing. Values begin with their client's number, so
/// that new clients write new values.
pub const FIRST_PATIENT_CLIENT: u64 = 100;

/// Hostile times: short timeouts, abandoned calls.
pub(crate) async fn under_faults(settings: &Settings, fleet: &Fleet, recorder: &Arc<Recorder>) {
    let options = Options {
        clients: settings.clients,
        operations: settings.operations,
        workload: settings.workload.clone(),
        timeout: settings.client_timeout,
        patience: Duration::from_millis(50),
        pause: Duration::from_millis(20),
        pause_after_failure: Duration::from_millis(100),
        abandon: settings.abandon,
    };
    drive(&options, 0, settings.seed, fleet, recorder).await;
}

/// All at once, on the same keys, with time enough that nothing may fail.
pub(crate) async fn after_healing(settings: &Settings, fleet: &Fleet, recorder: &Arc<Recorder>) {
    let options = Options {
        clients: settings.clients,
        operations: 30,
        workload: settings.workload.clone(),
        timeout: Duration::from_secs(20),
        patience: Duration::from_secs(20),
        pause: Duration::ZERO,
        pause_after_failure: Duration::from_millis(20),
        abandon: None,
    };
    let first = FIRST_PATIENT_CLIENT;
    drive(&options, first, settings.seed, fleet, recorder).await;
    for operation in recorder.history().operations {
        if operation.outcome != Outcome::Ok && operation.client >= first {
            let finding = format!("after all is healed an operation fails: {operation:?}");
            fleet.judge.broken(Invariant::Liveness, finding);
        }
    }
}

/// Lets clients work, each with its own way to the coordinators, until they made all
/// operations.
async fn drive(
    options: &Options,
    first_client: u64,
    seed: u64,
    fleet: &Fleet,
    recorder: &Arc<Recorder>,
) {
    let generators = Generators::new(&options.workload, seed);
    let generators = generators.expect("the settings make valid workloads");
    let remaining = Arc::new(AtomicU64::new(options.operations));
    let never = CancellationToken::new();
    let mut clients = JoinSet::new();
    for number in first_client..first_client + options.clients {
        let client = Client::new(number, options, &generators, remaining.clone());
        let client = client.expect("the settings make valid options");
        let front = fleet.front(number, number >= FIRST_PATIENT_CLIENT);
        let (recorder, never) = (recorder.clone(), never.clone());
        clients.spawn(async move { client.run(&front, &recorder, &never).await });
    }
    // A client that panicked is noticed as any other panic.
    while clients.join_next().await.is_some() {}
}
