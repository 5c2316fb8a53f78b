//! The role as a whole: disk, committer, gRPC and admin HTTP.

use std::sync::Arc;

use prometheus::Registry;
use quorate_proto::ReplicaService;
use quorate_proto::transport::{self, Connections, Routes, ServerOptions};
use quorate_proto::v1::replica_server;
use quorate_register::ReplicaId;
use quorate_runtime::metrics::ServerMetrics;
use quorate_runtime::telemetry::{Telemetry, TraceSender, TracesError};
use quorate_runtime::{Admin, BuildInfo, Readiness, Shutdown, SystemEntropy, listener, metrics};
use quorate_trace::Traces;
use serde_json::Value;
use tokio::sync::watch;

use crate::args::{MESSAGE_LIMITS, OBSERVE_INTERVAL};
use crate::disk::OpenError;
use crate::process::{RunningReplica, start};
use crate::{
    AdmissionArgs, Departure, DirectoryDisk, InstanceDirectory, ReplicaArgs, ReplicaHost,
    ReplicaMetrics, ReplicaOptions, Store, StoreArgs, StoreError,
};

/// Why a replica ends before it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The folder that lives as long as the pod cannot be used.
    #[error("--instance-dir {0} is not a folder; make it, or leave the flag out")]
    InstanceDirectory(String),
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] quorate_runtime::ListenError),
    /// The store failed while it ran.
    #[error("the store failed, and only a new start can tell what the disk has")]
    Store(#[from] StoreError),
    /// The gRPC server failed.
    #[error("the gRPC server failed")]
    Serve(#[from] tonic::transport::Error),
    /// Metrics could not be registered.
    #[error("metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    /// Traces cannot be made.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The operating system refused a thread.
    #[error("no thread can be started")]
    Thread(#[source] std::io::Error),
}

/// Opens the data directory and starts the replica in it, with a boot that is counted. Whoever waits
/// for `departure` hears there what coordinators advise.
///
/// # Errors
/// When the directory cannot be used, or no thread can be started. It blocks.
pub fn open(
    args: &StoreArgs,
    admission: &AdmissionArgs,
    pod: &str,
    departure: Departure,
    registry: &Registry,
) -> Result<RunningReplica<DirectoryDisk>, RunError> {
    if let Some(path) = &admission.instance_dir
        && !path.is_dir()
    {
        return Err(RunError::InstanceDirectory(path.display().to_string()));
    }
    let entropy = Arc::new(SystemEntropy);
    let disk = DirectoryDisk {
        store: args.limits.disk_options(),
        replica: ReplicaOptions {
            instance: admission.instance_dir.clone().map(InstanceDirectory::new),
            departure,
            ..args.limits.options(ReplicaId::random(&*entropy), pod)
        },
        require_admission: admission.require_admission,
        ..DirectoryDisk::new(&args.data_dir, pod, entropy.clone())
    };
    let metrics = ReplicaMetrics::new(registry, pod)?;
    start(disk, metrics)
}

/// Runs a replica until `shutdown`, which [`DepartingSignals`](crate::DepartingSignals) of `departure` begin.
///
/// # Errors
/// See [`RunError`]; the text is for the user.
pub async fn run(
    args: ReplicaArgs,
    settings: Value,
    departure: Departure,
    telemetry: Telemetry,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let registry = Registry::new();
    let build = BuildInfo::new("quorate-replica", env!("CARGO_PKG_VERSION"));
    metrics::register(&registry, &build)?;
    let grpc = listener::bind(&args.listen, "--listen").await?;
    let admin = listener::bind(&args.admin_listen, "--admin-listen").await?;
    let RunningReplica {
        replica,
        mut committer,
    } = open(
        &args.store,
        &args.admission,
        &args.pod,
        departure,
        &registry,
    )?;
    let server_metrics = ServerMetrics::new(&registry, "replica", &args.pod)?;
    let sender = TraceSender::start(&args.traces, build.name, &args.pod, &registry)?;
    tracing::info!(pod = args.pod, listen = %args.listen, admin = %args.admin_listen, "serving");

    let (_ready, readiness) = watch::channel(Readiness::Ready);
    let admin_server = Admin {
        build,
        registry,
        readiness,
        settings,
        status: replica.clone(),
        telemetry,
    };
    shutdown
        .background
        .spawn(admin_server.serve(admin, shutdown.clone()));
    shutdown
        .background
        .spawn(observe(replica.clone(), shutdown.clone()));
    let serving = serve(
        replica,
        grpc,
        sender.traces(),
        server_metrics,
        shutdown.clone(),
    );
    let serving = shutdown.calls.spawn(serving);
    let ended = tokio::select! {
        biased;
        // While `serve` holds the replica, the committer ends only by failing.
        failed = committer.ended() => failed,
        served = serving => served.expect("the server's task does not panic"),
    };
    sender.end(&shutdown.cancel).await;
    ended
}

/// Serves the replica over gRPC until the shutdown's second phase, or its third at the latest.
///
/// # Errors
/// When the transport fails.
pub async fn serve<S: Store>(
    replica: Arc<ReplicaHost<S>>,
    listener: tokio::net::TcpListener,
    traces: Traces,
    metrics: ServerMetrics,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let service = ReplicaService::new(replica, MESSAGE_LIMITS)
        .traced_by(traces)
        .until(shutdown.stop_accepting.clone());
    let exchanges = service.exchanges();
    let phases = transport::Phases {
        draining: shutdown.draining.clone(),
        stop_accepting: shutdown.stop_accepting.clone(),
        cut: shutdown.cancel.clone(),
    };
    let names = [replica_server::SERVICE_NAME];
    let options = ServerOptions::default();
    let observe = |connections: &Connections| {
        metrics.observe(
            connections.open(),
            connections.accepted(),
            exchanges.count(),
        );
    };
    let routes = Routes::new(service.into_server());
    transport::serve_role(&names, routes, listener, &options, phases, observe).await?;
    Ok(())
}

/// A sample reads some pages of the store, so it is taken more rarely.
const OBSERVATIONS_PER_SAMPLE: u64 = 10;

/// Keeps the gauges up to date until the end.
pub async fn observe<S: Store>(replica: Arc<ReplicaHost<S>>, shutdown: Shutdown) {
    for observations in 0_u64.. {
        replica.observe();
        if observations % OBSERVATIONS_PER_SAMPLE == 0 {
            replica.sample();
        }
        tokio::select! {
            biased;
            () = shutdown.cancel.cancelled() => return,
            () = tokio::time::sleep(OBSERVE_INTERVAL) => {}
        }
    }
}
