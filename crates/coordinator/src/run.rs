//! The role as a whole: membership, the register over gRPC, and admin HTTP.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use quorate_proto::transport;
use quorate_proto::{Limits, RegisterService};
use quorate_runtime::{
    Admin, BuildInfo, ListenError, Readiness, Shutdown, SystemEntropy, listener, metrics,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::args::{AddressProblem, remote_directory};
use crate::kubernetes::{Kubernetes, KubernetesError};
use crate::membership::{
    ConfigStore, Directory, FileConfigStore, FixedDirectory, Membership, load,
};
use crate::{Coordinator, CoordinatorArgs, CoordinatorMetrics, CoordinatorOptions};

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
    /// Where the agreed config lies, if anywhere but at the replicas.
    pub config_store: Option<Arc<dyn ConfigStore>>,
    /// Where its metrics go.
    pub registry: Registry,
}

/// Runs a coordinator until `shutdown`.
///
/// # Errors
/// See [`RunError`]; the text is for the user.
pub async fn run(
    args: CoordinatorArgs,
    settings: Value,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let registry = Registry::new();
    let build = BuildInfo::new("quorate-coordinator", env!("CARGO_PKG_VERSION"));
    metrics::register(&registry, &build)?;
    let grpc = listener::bind(&args.listen, "--listen").await?;
    let admin = listener::bind(&args.admin_listen, "--admin-listen").await?;
    let kubernetes = match args.kubernetes.objects() {
        Some(objects) => {
            let (entropy, flags) = (Arc::new(SystemEntropy), &args.kubernetes);
            Some(Kubernetes::start(flags, &objects, &registry, entropy, &shutdown).await?)
        }
        None => None,
    };
    let (directory, config_store): (Arc<dyn Directory>, Option<Arc<dyn ConfigStore>>) =
        match &kubernetes {
            Some(found) => (found.directory.clone(), Some(found.config_store.clone())),
            None => {
                let listed = remote_directory(FixedDirectory::default(), &args.replicas)?;
                let file = args.config_file.map(FileConfigStore::new);
                (Arc::new(listed), file.map(|file| Arc::new(file) as _))
            }
        };
    let parts = CoordinatorParts {
        options: args.operations.options(),
        directory,
        config_store,
        registry: registry.clone(),
    };
    let (coordinator, readiness) = start(parts, &shutdown)?;
    if let Some(kubernetes) = kubernetes.filter(|_| args.kubernetes.bootstrap) {
        kubernetes.make_first_config(coordinator.membership().clone(), &shutdown);
    }
    tracing::info!(listen = %args.listen, admin = %args.admin_listen, "serving");
    let admin_server = Admin {
        build,
        registry,
        readiness,
        settings,
    };
    shutdown
        .background
        .spawn(admin_server.serve(admin, shutdown.clone()));
    let limits = args.operations.limits();
    let serving = serve(coordinator, grpc, limits, shutdown.clone());
    let serving = shutdown.calls.spawn(serving);
    serving.await.expect("the server's task does not panic")
}

/// Starts a coordinator, which looks for its config until it has one; readiness says why not.
///
/// # Errors
/// When the registry has a coordinator's metrics already.
pub fn start(
    parts: CoordinatorParts,
    shutdown: &Shutdown,
) -> Result<(Arc<Coordinator>, watch::Receiver<Readiness>), RunError> {
    let metrics = CoordinatorMetrics::new(&parts.registry)?;
    let entropy = Arc::new(SystemEntropy);
    let membership = Membership::new(parts.directory, entropy.clone(), metrics.clone());
    let membership = Arc::new(membership);
    let coordinator = Arc::new(Coordinator::new(
        parts.options,
        membership.clone(),
        entropy,
        metrics,
        shutdown.cancel.clone(),
    ));
    let (ready, readiness) = watch::channel(Readiness::NotReady(membership.why_not_ready()));
    let cancel = shutdown.cancel.clone();
    let loading = find_config(membership, parts.config_store, ready);
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
    Ok((coordinator, readiness))
}

/// Serves the register over gRPC until the shutdown's second phase, or its third at the latest.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    coordinator: Arc<Coordinator>,
    listener: TcpListener,
    limits: Limits,
    shutdown: Shutdown,
) -> Result<(), RunError> {
    let service = RegisterService::new(coordinator.clone(), coordinator.clone(), limits)
        .observed_by(coordinator.clone())
        .until(shutdown.stop_accepting.clone());
    // A little more than are admitted, so that it is the coordinator that refuses, and counts.
    let calls = coordinator.max_operations() + SPARE_CALLS;
    let service = service.into_server().max_calls(calls);
    transport::serve_role(service, listener, phases(&shutdown)).await?;
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
