//! `quorate node`: both roles in one process.

use std::sync::Arc;

use anyhow::Context as _;
use prometheus::Registry;
use quorate_coordinator::membership::FixedDirectory;
use quorate_coordinator::{CoordinatorParts, OperationArgs, ReplicaAddress, remote_directory};
use quorate_replica::{AdmissionArgs, Departure, StoreArgs};
use quorate_runtime::metrics::ServerMetrics;
use quorate_runtime::telemetry::{self, LogArgs, Telemetry, TraceArgs, TraceSender};
use quorate_runtime::{
    Admin, BuildInfo, ListenAddress, Shutdown, ShutdownArgs, SystemSignals, listener, metrics,
};

use crate::{Context, Exit};

/// Run both roles in one process: a node that serves the register, calls its own replica
/// directly and those of its peers over the network.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// This node's name, by which its peers and the config know it.
    #[arg(long, env = "QUORATE_POD", value_name = "NAME")]
    pub name: String,

    /// Another node's name and the address of its replica, NAME=HOST:PORT. Repeat it, or
    /// separate peers with commas.
    #[arg(
        long = "peer",
        env = "QUORATE_PEERS",
        value_name = "NAME=HOST:PORT",
        value_delimiter = ','
    )]
    pub peers: Vec<ReplicaAddress>,

    /// Where clients reach the register.
    #[arg(
        long,
        env = "QUORATE_LISTEN",
        value_name = "HOST:PORT",
        default_value = "[::]:7400"
    )]
    pub listen: ListenAddress,

    /// Where peers reach this node's replica.
    #[arg(
        long,
        env = "QUORATE_REPLICA_LISTEN",
        value_name = "HOST:PORT",
        default_value = "[::]:7401"
    )]
    pub replica_listen: ListenAddress,

    /// Where metrics, probes and settings are served over HTTP.
    #[arg(
        long,
        env = "QUORATE_ADMIN_LISTEN",
        value_name = "HOST:PORT",
        default_value = "[::]:7402"
    )]
    pub admin_listen: ListenAddress,

    /// The disk and the store in it.
    #[command(flatten)]
    pub store: StoreArgs,

    /// How operations are performed.
    #[command(flatten)]
    pub operations: OperationArgs,

    /// What the logs say.
    #[command(flatten)]
    pub log: LogArgs,

    /// Where traces go.
    #[command(flatten)]
    pub traces: TraceArgs,

    /// How the process ends.
    #[command(flatten)]
    pub shutdown: ShutdownArgs,
}

/// Runs until a signal.
///
/// # Errors
/// The text is for the user.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<Exit> {
    let signals = SystemSignals::new()?;
    let telemetry = telemetry::init(&args.log)?;
    let shutdown = Shutdown::new();
    let phases = args.shutdown.settings();
    let role = serve(args, context, telemetry, shutdown.clone());
    let ending = shutdown.supervise(role, signals, phases).await?;
    Ok(Exit::from_code(ending.code()))
}

async fn serve(
    args: Args,
    context: &mut Context,
    telemetry: Telemetry,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let registry = Registry::new();
    let build = BuildInfo::new("quorate", env!("CARGO_PKG_VERSION"));
    metrics::register(&registry, &build)?;
    let grpc = listener::bind(&args.listen, "--listen").await?;
    let replica_grpc = listener::bind(&args.replica_listen, "--replica-listen").await?;
    let admin = listener::bind(&args.admin_listen, "--admin-listen").await?;

    let running = quorate_replica::open(
        &args.store,
        // Nothing keeps boot counters in a static setup, so nobody could admit this replica.
        &AdmissionArgs::default(),
        &args.name,
        Departure::default(),
        &registry,
    )?;
    let replica = running.replica;
    let mut committer = running.committer;
    let own = FixedDirectory::default().with(&args.name, "in-process", replica.clone());
    let parts = CoordinatorParts {
        options: args.operations.options(),
        directory: Arc::new(remote_directory(own, &args.peers)?),
        agreement: None,
        boot_counters: None,
        volumes: None,
        registry: registry.clone(),
    };
    let (role, readiness) = quorate_coordinator::start(parts, &shutdown)?;
    let server_metrics = ServerMetrics::new(&registry, "coordinator", "")?;
    let replica_server_metrics = ServerMetrics::new(&registry, "replica", &args.name)?;
    let sender = TraceSender::start(&args.traces, build.name, &args.name, &registry)?;
    tracing::info!(
        listen = %args.listen, replica = %args.replica_listen, admin = %args.admin_listen,
        "serving both roles"
    );
    let admin_server = Admin {
        build,
        registry,
        readiness,
        settings: context.settings.clone(),
        status: Arc::new(role.clone()),
        telemetry,
    };
    shutdown
        .background
        .spawn(admin_server.serve(admin, shutdown.clone()));
    let observing = quorate_replica::observe(replica.clone(), shutdown.clone());
    shutdown.background.spawn(observing);
    let replica_serving = quorate_replica::serve(
        replica,
        replica_grpc,
        sender.traces(),
        replica_server_metrics,
        shutdown.clone(),
    );
    let replica_serving = shutdown.calls.spawn(replica_serving);
    let limits = args.operations.limits();
    let serving = quorate_coordinator::serve(
        role,
        grpc,
        limits,
        None,
        sender.traces(),
        server_metrics,
        shutdown.clone(),
    );
    let serving = shutdown.calls.spawn(serving);
    let ended = tokio::select! {
        biased;
        failed = committer.ended() => {
            failed.context("the store failed, and only a new start can tell what the disk has")
        }
        served = async { tokio::try_join!(serving, replica_serving) } => {
            let (register, replica) = served?;
            register.map_err(anyhow::Error::from).and(replica.map_err(Into::into))
        }
    };
    sender.end(&shutdown.cancel).await;
    ended
}
