//! One run over HTTP/2 from beginning to end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;
use quorate_workload::{Generators, History, Options, Recorder};
use turmoil::{Builder, Sim};

use super::faults::Faults;
use super::judge::judge;
use super::machines::{
    CoordinatorWorld, ReplicaMachine, SimulationClock, client, coordinator, replica,
};
use super::packets::Packets;
use super::settings::WireSettings;
use crate::compare::{Diverged, compare};
use crate::coordinator::ConfigObject;
use crate::invariant::{Broken, Invariant};
use crate::random::Random;
use crate::run::Run;
use crate::trace::Trace;
use crate::{FIRST_PATIENT_CLIENT, panics};

/// Runs a seed twice; only a run that came out the same both times is worth reading.
///
/// # Errors
/// When the two differ: something in them does not follow from the seed.
pub fn simulate_wire_twice(seed: u64) -> Result<Run, Diverged> {
    let settings = WireSettings::of(seed);
    let run = simulate_wire(&settings);
    compare(&run, &simulate_wire(&settings))?;
    Ok(run)
}

/// Runs the roles over real HTTP/2 under these settings, in virtual time.
pub fn simulate_wire(settings: &WireSettings) -> Run {
    panics::watch();
    let trace = Trace::start();
    trace.event_at(Duration::ZERO, "settings", format_args!("{settings:?}"));
    // A panic of turmoil itself, or of what it polls directly.
    let body = || body(settings, &trace);
    let (history, mut broken) = catch_unwind(AssertUnwindSafe(body)).unwrap_or_default();
    for finding in panics::taken() {
        let invariant = Invariant::NoPanic;
        broken.push(Broken { invariant, finding });
    }
    Run {
        seed: settings.seed,
        trace: trace.text(),
        counts: trace.counts(),
        history,
        broken,
    }
}

fn body(settings: &WireSettings, trace: &Trace) -> (History, Vec<Broken>) {
    let settings = Arc::new(settings.clone());
    let mut simulation = Builder::new()
        .rng_seed(settings.seed)
        .simulation_duration(LIMIT)
        .tick_duration(TICK)
        .min_message_latency(TICK)
        .max_message_latency(settings.latency)
        .build();
    let replicas: Vec<_> = (0..settings.replicas)
        .map(|index| Arc::new(ReplicaMachine::new(index, &settings)))
        .collect();
    for machine in &replicas {
        let (machine, settings) = (machine.clone(), settings.clone());
        simulation.host(machine.pod.clone(), move || {
            replica(machine.clone(), settings.clone())
        });
    }
    let world = Arc::new(CoordinatorWorld {
        settings: settings.clone(),
        object: ConfigObject::new(settings.seed, trace.clone()),
        trace: trace.clone(),
        violations: Mutex::default(),
    });
    for index in 0..settings.coordinators {
        let name = format!("c{index}");
        let entropy = Arc::new(Random::new(settings.seed, &name));
        let world = world.clone();
        simulation.host(name.clone(), move || {
            coordinator(name.clone(), entropy.clone(), world.clone())
        });
    }
    let recorder = Arc::new(Recorder::new(Arc::new(SimulationClock::default())));
    let mut faults = Faults::new(&settings);
    let hostile = Options {
        operations: settings.operations,
        timeout: settings.client_timeout,
        patience: Duration::from_millis(50),
        pause: Duration::from_millis(20),
        pause_after_failure: Duration::from_millis(100),
        ..options(&settings)
    };
    let mut broken = Vec::new();
    add_clients(&mut simulation, &settings, 0, hostile, &recorder);
    let mut packets = Packets::default();
    run_clients(&mut simulation, &mut broken, |simulation| {
        packets.note(simulation, trace);
        faults.step(simulation, trace);
    });
    faults.heal(&mut simulation, trace);
    let silence = settings.silence();
    simulation.client("silence", async move {
        tokio::time::sleep(silence).await;
        Ok(())
    });
    run_clients(&mut simulation, &mut broken, |simulation| {
        packets.note(simulation, trace);
    });
    let patient = Options {
        operations: 20,
        timeout: Duration::from_secs(20),
        patience: Duration::from_secs(20),
        ..options(&settings)
    };
    let first = FIRST_PATIENT_CLIENT;
    add_clients(&mut simulation, &settings, first, patient, &recorder);
    run_clients(&mut simulation, &mut broken, |simulation| {
        packets.note(simulation, trace);
    });
    drop(simulation);
    let history = recorder.history();
    broken.extend(judge(&history, &replicas, &world.violations.lock()));
    (history, broken)
}

/// Goes on until every client is done.
fn run_clients(
    simulation: &mut Sim<'_>,
    broken: &mut Vec<Broken>,
    mut between: impl FnMut(&mut Sim<'_>),
) {
    loop {
        match simulation.step() {
            Ok(true) => return,
            Ok(false) => between(simulation),
            Err(error) => {
                let invariant = Invariant::Liveness;
                let finding = format!("the simulation ends early: {error}");
                return broken.push(Broken { invariant, finding });
            }
        }
    }
}

fn options(settings: &WireSettings) -> Options {
    Options {
        clients: settings.clients,
        workload: settings.workload.clone(),
        ..Options::default()
    }
}

/// Adds a machine for each client.
fn add_clients(
    simulation: &mut Sim<'_>,
    settings: &Arc<WireSettings>,
    first: u64,
    options: Options,
    recorder: &Arc<Recorder>,
) {
    let generators = Generators::new(&options.workload, settings.seed);
    let generators = Arc::new(generators.expect("the settings make valid workloads"));
    let remaining = Arc::new(AtomicU64::new(options.operations));
    for number in first..first + options.clients {
        let work = client(
            number,
            options.clone(),
            generators.clone(),
            remaining.clone(),
            settings.clone(),
            recorder.clone(),
        );
        simulation.client(format!("client{number}"), work);
    }
}

/// How far time goes between two steps of the network. No message takes less, so that what one
/// machine does is never seen on another at an earlier time.
const TICK: Duration = Duration::from_millis(1);

/// Longer than all clients' timeouts and pauses one behind the other.
const LIMIT: Duration = Duration::from_secs(600);
