//! What runs on each machine: a replica, a coordinator or a client, as in a release.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use prometheus::Registry;
use quorate_coordinator::membership::{FixedDirectory, LoadProblem, Membership, bootstrap, load};
use quorate_coordinator::{Coordinator, CoordinatorMetrics, CoordinatorOptions, Violations};
use quorate_proto::transport::server;
use quorate_proto::{Limits, RegisterService, RemoteRegister, RemoteReplica, ReplicaService};
use quorate_register::{Entry, Key, OperationError, Register, ReplicaId, Version};
use quorate_replica::memory::{MemoryDisk, MemoryStore};
use quorate_replica::{LocalReplica, ReplicaMetrics, ReplicaOptions};
use quorate_workload::{Client, Clock, Generators, Options, Recorder};
use tokio_util::sync::CancellationToken;

use super::network::{channel, incoming};
use super::settings::WireSettings;
use crate::coordinator::ConfigObject;
use crate::random::Random;
use crate::trace::Trace;

/// A replica's machine: what outlives its processes.
pub(super) struct ReplicaMachine {
    pub(super) pod: String,
    pub(super) replica_id: ReplicaId,
    pub(super) disk: Arc<MemoryDisk>,
    /// Those of every process there was.
    pub(super) metrics: Mutex<Vec<ReplicaMetrics>>,
}

impl ReplicaMachine {
    pub(super) fn new(index: usize, settings: &WireSettings) -> Self {
        let pod = format!("r{index}");
        let disk = Arc::new(MemoryDisk::default());
        disk.set_sync_duration(settings.sync);
        Self {
            replica_id: ReplicaId::random(&Random::new(settings.seed, &pod)),
            pod,
            disk,
            metrics: Mutex::default(),
        }
    }
}

/// The process of a replica, from its start to its death.
pub(super) async fn replica(
    machine: Arc<ReplicaMachine>,
    settings: Arc<WireSettings>,
) -> turmoil::Result {
    let metrics = ReplicaMetrics::new(&Registry::new(), &machine.pod)?;
    machine.metrics.lock().push(metrics.clone());
    let store = MemoryStore::open(machine.disk.clone());
    let options = ReplicaOptions::new(machine.replica_id, &machine.pod);
    let (replica, committer) = LocalReplica::new(store, options, metrics);
    let service = ReplicaService::new(Arc::new(replica), Limits::default());
    let serving = server(&settings.server)
        .add_service(service.into_server())
        .serve_with_incoming(incoming().await?);
    tokio::select! {
        biased;
        committed = committer.run() => drop(committed?),
        served = serving => served?,
    }
    Ok(())
}

/// What all coordinators of a run share.
pub(super) struct CoordinatorWorld {
    pub(super) settings: Arc<WireSettings>,
    pub(super) object: ConfigObject,
    pub(super) trace: Trace,
    /// What each process there was counts.
    pub(super) violations: Mutex<Vec<Violations>>,
}

/// The process of a coordinator, from its start to its death.
pub(super) async fn coordinator(
    name: String,
    entropy: Arc<Random>,
    world: Arc<CoordinatorWorld>,
) -> turmoil::Result {
    let settings = &world.settings;
    let metrics = CoordinatorMetrics::new(&Registry::new())?;
    world.violations.lock().push(metrics.violations().clone());
    let directory = (0..settings.replicas).fold(FixedDirectory::default(), |directory, index| {
        let pod = format!("r{index}");
        let replica = RemoteReplica::new(channel(&pod, &settings.channel), Limits::default());
        directory.with(&pod, &pod, Arc::new(replica))
    });
    let membership = Membership::new(Arc::new(directory), entropy.clone(), metrics.clone());
    let options = CoordinatorOptions {
        quorum: settings.quorum,
        ..CoordinatorOptions::default()
    };
    let coordinator = Arc::new(Coordinator::new(
        options,
        Arc::new(membership),
        entropy.clone(),
        metrics,
        CancellationToken::new(),
    ));
    let service = RegisterService::new(coordinator.clone(), coordinator.clone(), Limits::default());
    let serving = server(&settings.server)
        .add_service(service.into_server())
        .serve_with_incoming(incoming().await?);
    let ((), served) = tokio::join!(find_config(&name, &coordinator, &entropy, &world), serving);
    Ok(served?)
}

/// Loads the config, or makes the first one, trying until it succeeds.
async fn find_config(
    name: &str,
    coordinator: &Coordinator,
    entropy: &Random,
    world: &CoordinatorWorld,
) {
    let membership = coordinator.membership();
    let object = Some(&world.object as _);
    while let Err(problem) = load(membership, object, FIND_LIMIT).await {
        let note = |kind, text: String| world.trace.event(kind, format_args!("{name}: {text}"));
        note("config not found", problem.to_string());
        if let LoadProblem::NoConfig { .. } = problem {
            match bootstrap(&**membership.directory(), object, entropy, FIND_LIMIT).await {
                Ok(config) => note("bootstrapped", format!("made config {}", config.id())),
                Err(error) => note("bootstrap failed", error.to_string()),
            }
        }
        tokio::time::sleep(entropy.milliseconds(1..=50)).await;
    }
    let text = format_args!("{name}: knows the config");
    world.trace.event("config found", text);
}

/// How long a coordinator that starts waits for each replica.
const FIND_LIMIT: Duration = Duration::from_millis(200);

/// One client's work, from its first call to its last.
pub(super) async fn client(
    number: u64,
    options: Options,
    generators: Arc<Generators>,
    remaining: Arc<AtomicU64>,
    settings: Arc<WireSettings>,
    recorder: Arc<Recorder>,
) -> turmoil::Result {
    let client = Client::new(number, &options, &generators, remaining)?;
    let anywhere = Anywhere {
        registers: (0..settings.coordinators)
            .map(|index| {
                let channel = channel(&format!("c{index}"), &settings.channel);
                match settings.exchanging {
                    true => RemoteRegister::exchanging(channel),
                    false => RemoteRegister::new(channel),
                }
            })
            .collect(),
        random: Random::new(settings.seed, &format!("wire client{number}")),
    };
    client
        .run(&anywhere, &recorder, &CancellationToken::new())
        .await;
    Ok(())
}

/// The register at any coordinator.
struct Anywhere {
    registers: Vec<RemoteRegister>,
    random: Random,
}

impl Anywhere {
    fn pick(&self) -> &RemoteRegister {
        &self.registers[self.random.index(self.registers.len())]
    }
}

#[async_trait]
impl Register for Anywhere {
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError> {
        self.pick().get(key, timeout).await
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.pick().set(key, value, timeout).await
    }

    async fn delete(
        &self,
        key: &Key,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.pick().delete(key, timeout).await
    }
}

/// The one time of a run. Each machine's runtime has a clock of its own, which began when its
/// process did.
#[derive(Default)]
pub(super) struct SimulationClock {
    /// When it was last looked at.
    latest_ns: AtomicU64,
}

impl Clock for SimulationClock {
    /// Outside the simulation, where time stands still, the time of the last look.
    fn elapsed_ns(&self) -> u64 {
        let Some(elapsed) = turmoil::sim_elapsed() else {
            return self.latest_ns.load(Ordering::Relaxed);
        };
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).expect("a run is short");
        self.latest_ns.store(elapsed_ns, Ordering::Relaxed);
        elapsed_ns
    }
}
