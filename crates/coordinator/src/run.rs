//! The role as a whole: membership, the register over gRPC, and admin HTTP.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use quorate_proto::transport::{self, ConnectionAge, Connections, Routes, ServerOptions};
use quorate_proto::v1::{membership_server, register_server};
use quorate_proto::{Limits, RegisterService};
use quorate_runtime::metrics::ServerMetrics;
use quorate_runtime::telemetry::{self, Telemetry, TraceSender, TracesError};
use quorate_runtime::{
    Admin, BuildInfo, Ending, ListenError, Readiness, Shutdown, SystemEntropy, SystemSignals,
    listener, metrics,
};
use quorate_trace::Traces;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admission::keep_admitting;
use crate::args::{AddressProblem, remote_directory};
use crate::kubernetes::{Kubernetes, KubernetesError};
use crate::membership::{
    BootCounters, ConfigStore, Directory, FileBootCounters, FileConfigStore, FixedDirectory,
    ListedWorkload, Membership, Volumes, Workload, keep_advising, load,
};
use crate::reconfiguration::{
    ReconfigurationMetrics, ReconfigurationOptions, Reconfigurer, ReconfigurerParts,
};
use crate::repair::{RepairMetrics, Repairer, RepairerParts};
use crate::{
    Canary, CanaryMetrics, Coordinator, CoordinatorArgs, CoordinatorMetrics, CoordinatorOptions,
    Role,
};

/// Why a coordinator ends before it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The list of replicas cannot be used.
    #[error(transparent)]
    Address(#[from] AddressProblem),
    /// Kubernetes cannot be used.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
    /// Traces cannot be made.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The gRPC server failed.
    #[error("the gRPC server failed")]
    Serve(#[from] tonic::transport::Error),
    /// Metrics could not be registered.
    #[error("metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// What a coordinator is made of.
pub struct CoordinatorParts {
    /// Its limits and times.
    pub options: CoordinatorOptions,
    /// Where replicas are.
    pub directory: Arc<dyn Directory>,
    /// Where the agreed config lies, if anywhere but at the replicas. Without it the members
    /// are never changed.
    pub agreement: Option<Agreement>,
    /// Where the boots of all disks are counted. Without it nobody is admitted, so no replica
    /// may require it.
    pub boot_counters: Option<Arc<dyn BootCounters>>,
    /// Which volumes the disks lie on, if that can be told.
    pub volumes: Option<Arc<dyn Volumes>>,
    /// Where its metrics go.
    pub registry: Registry,
}

/// Where the members are agreed on, and who says which there should be.
#[derive(Clone)]
pub struct Agreement {
    /// Where the agreed config lies.
    pub config_store: Arc<dyn ConfigStore>,
    /// What people want.
    pub workload: Arc<dyn Workload>,
    /// When and how members are changed.
    pub options: ReconfigurationOptions,
    /// Whether this coordinator is the one that begins changes and transfers; without it all do.
    pub leads: Option<watch::Receiver<bool>>,
}

/// Runs a coordinator as a process: until it fails, or signals have ended it.
///
/// # Errors
/// The text is for the user.
pub async fn run_until_signalled(
    args: CoordinatorArgs,
    settings: Value,
) -> Result<Ending, Box<dyn Error + Send + Sync>> {
    let signals = SystemSignals::new()?;
    let telemetry = telemetry::init(&args.log)?;
    let shutdown = Shutdown::new();
    let phases = args.shutdown.settings();
    let role = run(args, settings, telemetry, shutdown.clone());
    Ok(shutdown.supervise(role, signals, phases).await?)
}

/// Runs a coordinator until `shutdown`.
///
/// # Errors
/// See [`RunError`]; the text is for the user.
pub async fn run(
    args: CoordinatorArgs,
    settings: Value,
    telemetry: Telemetry,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let registry = Registry::new();
    let build = BuildInfo::new("quorate-coordinator", env!("CARGO_PKG_VERSION"));
    metrics::register(&registry, &build)?;
    let grpc = listener::bind(&args.listen, "--listen").await?;
    let admin = listener::bind(&args.admin_listen, "--admin-listen").await?;
    let kubernetes = match args.kubernetes.objects() {
        Some(objects) => {
            let minimum = args.membership.options().minimum;
            let started = Kubernetes::start(&objects, minimum, &registry, &shutdown);
            Some(started.await?)
        }
        None => None,
    };
    let parts = match &kubernetes {
        Some(kubernetes) => found_parts(kubernetes, &args, &registry),
        None => listed_parts(&args, &registry)?,
    };
    let (role, readiness) = start(parts, &shutdown)?;
    if let Some(kubernetes) = kubernetes.filter(|_| args.kubernetes.bootstrap) {
        kubernetes.make_first_config(role.coordinator.membership().clone(), &shutdown);
    }
    let instance = &args.kubernetes.pod_name;
    let server_metrics = ServerMetrics::new(&registry, "coordinator", "")?;
    let sender = TraceSender::start(&args.traces, build.name, instance, &registry)?;
    tracing::info!(listen = %args.listen, admin = %args.admin_listen, "serving");
    let admin_server = Admin {
        build,
        registry,
        readiness,
        settings,
        status: Arc::new(role.clone()),
        telemetry,
    };
    shutdown
        .background
        .spawn(admin_server.serve(admin, shutdown.clone()));
    let limits = args.operations.limits();
    let age = args.max_connection_age();
    let serving = serve(
        role,
        grpc,
        limits,
        age,
        sender.traces(),
        server_metrics,
        shutdown.clone(),
    );
    let serving = shutdown.calls.spawn(serving);
    let ended = serving.await.expect("the server's task does not panic");
    sender.end(&shutdown.cancel).await;
    ended
}

/// What a coordinator of listed replicas is made of.
fn listed_parts(
    args: &CoordinatorArgs,
    registry: &Registry,
) -> Result<CoordinatorParts, AddressProblem> {
    let directory = remote_directory(FixedDirectory::default(), &args.replicas)?;
    let file = args.config_file.as_deref();
    let boot_counters = file.map(FileBootCounters::beside);
    let options = args.membership.options();
    let agreement = file.map(|file| listed(file, &directory, options));
    Ok(CoordinatorParts {
        options: args.operations.options(),
        directory: Arc::new(directory),
        agreement,
        boot_counters: boot_counters.map(|counters| Arc::new(counters) as _),
        volumes: None,
        registry: registry.clone(),
    })
}

/// What a coordinator is made of whose replicas Kubernetes finds.
fn found_parts(
    kubernetes: &Kubernetes,
    args: &CoordinatorArgs,
    registry: &Registry,
) -> CoordinatorParts {
    CoordinatorParts {
        options: args.operations.options(),
        directory: kubernetes.directory.clone(),
        agreement: Some(Agreement {
            config_store: kubernetes.config_store.clone(),
            workload: kubernetes.workload.clone(),
            options: args.membership.options(),
            leads: Some(kubernetes.leadership.changes()),
        }),
        boot_counters: Some(kubernetes.boot_counters.clone()),
        volumes: Some(kubernetes.volumes.clone()),
        registry: registry.clone(),
    }
}

/// The config in `file`, and the number of replicas that is wanted of the listed ones beside it.
pub fn listed(
    file: &Path,
    directory: &dyn Directory,
    options: ReconfigurationOptions,
) -> Agreement {
    Agreement {
        config_store: Arc::new(FileConfigStore::new(file)),
        workload: Arc::new(ListedWorkload::beside(file, directory.pods())),
        options,
        leads: None,
    }
}

/// Starts a coordinator, which looks for its config until it has one; readiness says why not.
///
/// # Errors
/// When the registry has a coordinator's metrics already.
pub fn start(
    parts: CoordinatorParts,
    shutdown: &Shutdown,
) -> Result<(Role, watch::Receiver<Readiness>), RunError> {
    let metrics = CoordinatorMetrics::new(&parts.registry)?;
    let entropy = Arc::new(SystemEntropy);
    let membership = Membership::new(parts.directory, entropy.clone(), metrics.clone());
    let membership = Arc::new(membership);
    let repair = parts.options.repair;
    let canary_interval = parts.options.canary_interval;
    let coordinator = Arc::new(Coordinator::new(
        parts.options,
        membership.clone(),
        entropy.clone(),
        metrics.clone(),
        shutdown.cancel.clone(),
    ));
    let repairer = Arc::new(Repairer::new(RepairerParts {
        options: repair,
        membership: membership.clone(),
        entropy: entropy.clone(),
        metrics: RepairMetrics::new(&parts.registry)?,
        live: coordinator.live_counts(),
    }));
    let (cancel, repairs) = (shutdown.cancel.clone(), repairer.clone());
    shutdown.background.spawn(async move {
        cancel.run_until_cancelled(repairs.run()).await;
    });
    let canary = Canary::new(
        coordinator.clone(),
        CanaryMetrics::new(&parts.registry)?,
        canary_interval,
        &*entropy,
    );
    // It stops early: an operation of its own must not hold up those of clients.
    let cancel = shutdown.draining.clone();
    shutdown.background.spawn(async move {
        cancel.run_until_cancelled(canary.run()).await;
    });
    let reconfigurer = parts.agreement.as_ref().map(|agreement| {
        let parts = ReconfigurerParts {
            options: agreement.options,
            membership: membership.clone(),
            config_store: agreement.config_store.clone(),
            workload: agreement.workload.clone(),
            entropy,
            metrics: ReconfigurationMetrics::new(&parts.registry)?,
            live: coordinator.live_counts(),
            repair: Some(repairer.status()),
            leads: agreement.leads.clone(),
        };
        Ok::<_, RunError>(Arc::new(Reconfigurer::new(parts)))
    });
    let reconfigurer = reconfigurer.transpose()?;
    let (ready, readiness) = watch::channel(Readiness::NotReady(membership.why_not_ready()));
    let cancel = shutdown.cancel.clone();
    if let Some(counters) = parts.boot_counters.clone() {
        let (cancel, membership) = (shutdown.cancel.clone(), membership.clone());
        let admitting = keep_admitting(membership, counters, parts.volumes.clone(), metrics);
        shutdown.background.spawn(async move {
            cancel.run_until_cancelled(admitting).await;
        });
    }
    if let Some(agreement) = &parts.agreement {
        let (cancel, workload) = (shutdown.cancel.clone(), agreement.workload.clone());
        let advising = keep_advising(membership.clone(), workload);
        shutdown.background.spawn(async move {
            cancel.run_until_cancelled(advising).await;
        });
    }
    let config_store = parts.agreement.map(|agreement| agreement.config_store);
    let loading = find_config(membership, config_store, ready);
    shutdown.background.spawn(async move {
        cancel.run_until_cancelled(loading).await;
    });
    shutdown
        .background
        .spawn(observe(coordinator.clone(), shutdown.clone()));
    let (cancel, members) = (shutdown.cancel.clone(), coordinator.clone());
    shutdown.background.spawn(async move {
        cancel.run_until_cancelled(observe_members(members)).await;
    });
    if let Some(reconfigurer) = reconfigurer.clone() {
        let cancel = shutdown.draining.clone();
        shutdown.background.spawn(async move {
            cancel.run_until_cancelled(reconfigurer.run()).await;
        });
    }
    let role = Role {
        coordinator,
        repairer: Some(repairer),
        reconfigurer,
        boot_counters: parts.boot_counters,
        volumes: parts.volumes,
    };
    Ok((role, readiness))
}

/// Serves the register over gRPC, on connections up to that age, until the shutdown's second phase,
/// or its third at the latest.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    role: Role,
    listener: TcpListener,
    limits: Limits,
    max_connection_age: Option<ConnectionAge>,
    traces: Traces,
    metrics: ServerMetrics,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let coordinator = &role.coordinator;
    let service = RegisterService::new(coordinator.clone(), Arc::new(role.clone()), limits)
        .observed_by(coordinator.clone())
        .traced_by(traces)
        .until(shutdown.stop_accepting.clone());
    // A little more than are admitted, so that it is the coordinator that refuses, and counts.
    let calls = coordinator.max_operations() + SPARE_CALLS;
    let exchanges = service.exchanges();
    let service = service.into_server().max_calls(calls);
    let routes = Routes::new(service).add_service(role.membership_service());
    let names = [
        register_server::SERVICE_NAME,
        membership_server::SERVICE_NAME,
    ];
    let options = ServerOptions {
        max_connection_age,
        ..ServerOptions::default()
    };
    let observe = |connections: &Connections| {
        metrics.observe(
            connections.open(),
            connections.accepted(),
            exchanges.count(),
        );
    };
    let phases = phases(&shutdown);
    transport::serve_role(&names, routes, listener, &options, phases, observe).await?;
    Ok(())
}

fn phases(shutdown: &Shutdown) -> transport::Phases {
    transport::Phases {
        draining: shutdown.draining.clone(),
        stop_accepting: shutdown.stop_accepting.clone(),
        cut: shutdown.cancel.clone(),
    }
}

/// Calls beyond the operations admitted, which are refused after their message was read.
const SPARE_CALLS: usize = 256;

/// How long one look for the config waits for each replica, and how long until the next.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

async fn find_config(
    membership: Arc<Membership>,
    config_store: Option<Arc<dyn ConfigStore>>,
    ready: watch::Sender<Readiness>,
) {
    let mut said = String::new();
    while let Err(problem) = load(&membership, config_store.as_deref(), LOOK_TIMEOUT).await {
        let problem = problem.to_string();
        if problem != said {
            tracing::warn!(problem, "not ready");
            said.clone_from(&problem);
        }
        ready.send_replace(Readiness::NotReady(problem));
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    let epoch = membership
        .view()
        .map(|view| view.config().epoch().to_string());
    tracing::info!(epoch, "ready: the config is known and active");
    ready.send_replace(Readiness::Ready);
    // Readiness never depends on a quorum; keep saying ready for as long as somebody asks.
    ready.closed().await;
}

/// How often the members are asked who they are, and how long each has to answer.
const MEMBERS_INTERVAL: Duration = Duration::from_secs(5);
const MEMBERS_LIMIT: Duration = Duration::from_secs(2);

async fn observe_members(coordinator: Arc<Coordinator>) {
    loop {
        coordinator.observe_members(MEMBERS_LIMIT).await;
        tokio::time::sleep(MEMBERS_INTERVAL).await;
    }
}

/// How often gauges that nothing else updates are read.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(1);

async fn observe(coordinator: Arc<Coordinator>, shutdown: Shutdown) {
    loop {
        coordinator.observe();
        tokio::select! {
            biased;
            () = shutdown.cancel.cancelled() => break,
            () = tokio::time::sleep(OBSERVE_INTERVAL) => {}
        }
    }
    coordinator.ended().await;
}
