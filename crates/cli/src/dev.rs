//! `quorate dev`: a whole store in one process.

mod replicas;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use prometheus::Registry;
use quorate_coordinator::membership::{
    BootCounters, BootstrapError, ConfigStore, Directory, FileBootCounters, FileConfigStore,
    StoredConfig, admit_all, bootstrap,
};
use quorate_coordinator::{Agreement, CoordinatorParts, MembershipArgs, OperationArgs};
use quorate_register::{Config, MAX_GROUP_MEMBERS, MemberSet};
use quorate_replica::StoreLimitArgs;
use quorate_runtime::metrics::ServerMetrics;
use quorate_runtime::telemetry::{self, LogArgs, Telemetry, TraceArgs, TraceSender};
use quorate_runtime::{
    Admin, BuildInfo, ListenAddress, Shutdown, ShutdownSettings, SystemEntropy, SystemSignals,
    listener, metrics,
};

use crate::numbers::counted;
use crate::{Context, Exit};
use replicas::{DevReplicas, ordinal, pod};

/// Run a whole store in this process: replicas, a coordinator, and their data in one folder.
// On a person's terminal only what needs attention is worth a line.
#[derive(Debug, Clone, clap::Args)]
#[command(mut_arg("log", |log| log.default_value("warn")))]
// And nobody waits for minutes to see that a lost folder is replaced.
#[command(mut_arg("swap_delay", |delay| delay.default_value("5s")))]
pub struct Args {
    /// The folder with the store's data; made when it is not there.
    #[arg(
        long,
        env = "QUORATE_DATA_DIR",
        value_name = "DIR",
        default_value = "quorate-data"
    )]
    pub data_dir: PathBuf,

    /// How many replicas a new store has; an existing one keeps its own number. [default: 3]
    #[arg(long, env = "QUORATE_REPLICA_COUNT", value_name = "COUNT", value_parser = replica_count)]
    pub replicas: Option<usize>,

    /// Where clients reach the register.
    #[arg(
        long,
        env = "QUORATE_LISTEN",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:7400"
    )]
    pub listen: ListenAddress,

    /// Where metrics, probes and settings are served over HTTP.
    #[arg(
        long,
        env = "QUORATE_ADMIN_LISTEN",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:7402"
    )]
    pub admin_listen: ListenAddress,

    /// How operations are performed.
    #[command(flatten)]
    pub operations: OperationArgs,

    /// How members are changed.
    #[command(flatten)]
    pub membership: MembershipArgs,

    /// Limits of the replicas.
    #[command(flatten)]
    pub limits: StoreLimitArgs,

    /// What the logs say.
    #[command(flatten)]
    pub log: LogArgs,

    /// Where traces go.
    #[command(flatten)]
    pub traces: TraceArgs,
}

fn replica_count(text: &str) -> Result<usize, String> {
    let count = text.parse().ok();
    let count = count.filter(|count| (1..=MAX_GROUP_MEMBERS).contains(count));
    count.ok_or_else(|| format!("a store has 1 to {MAX_GROUP_MEMBERS} replicas"))
}

const DEFAULT_REPLICAS: usize = 3;
/// Within one process nobody takes long to answer, but a disk may.
const BOOTSTRAP_LIMIT: Duration = Duration::from_secs(10);

/// Runs until Ctrl-C.
///
/// # Errors
/// The text is for the user.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<Exit> {
    let signals = SystemSignals::new()?;
    let telemetry = telemetry::init(&args.log)?;
    let shutdown = Shutdown::new();
    let role = serve(args, context, telemetry, shutdown.clone());
    let ending = shutdown
        .supervise(role, signals, ShutdownSettings::interactive())
        .await?;
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
    // Ports first: a mistake there must not leave a folder behind.
    let grpc = listener::bind(&args.listen, "--listen").await?;
    let admin = listener::bind(&args.admin_listen, "--admin-listen").await?;
    let addresses = (grpc.local_addr()?, admin.local_addr()?);

    let store = open_store(&args, &registry, &shutdown).await?;
    let parts = CoordinatorParts {
        options: args.operations.options(),
        directory: store.replicas.clone(),
        agreement: Some(Agreement {
            config_store: store.config_store,
            workload: store.replicas,
            options: args.membership.options(),
            leads: None,
        }),
        boot_counters: Some(store.boot_counters),
        volumes: None,
        registry: registry.clone(),
    };
    let (role, mut readiness) = quorate_coordinator::start(parts, &shutdown)?;
    let server_metrics = ServerMetrics::new(&registry, "coordinator", "")?;
    let sender = TraceSender::start(&args.traces, build.name, "dev", &registry)?;
    let admin_server = Admin {
        build,
        registry,
        readiness: readiness.clone(),
        settings: context.settings.clone(),
        status: Arc::new(role.clone()),
        telemetry,
    };
    shutdown
        .background
        .spawn(admin_server.serve(admin, shutdown.clone()));
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
    let is_ready = |readiness: &_| *readiness == quorate_runtime::Readiness::Ready;
    tokio::select! {
        biased;
        result = readiness.wait_for(is_ready) => drop(result?),
        () = shutdown.draining.cancelled() => return Ok(()),
    }
    introduce(&args, addresses, store.count, &mut *context.output)?;
    let ended = tokio::select! {
        biased;
        failed = store.failed => failed,
        served = serving => served?.map_err(Into::into),
    };
    sender.end(&shutdown.cancel).await;
    ended
}

/// The store of this process.
struct OpenStore {
    replicas: Arc<DevReplicas>,
    config_store: Arc<dyn ConfigStore>,
    boot_counters: Arc<dyn BootCounters>,
    /// How many replicas there are to begin with.
    count: usize,
    /// Ends when the disk of one of them fails.
    failed: futures::future::BoxFuture<'static, anyhow::Result<()>>,
}

async fn open_store(
    args: &Args,
    registry: &Registry,
    shutdown: &Shutdown,
) -> anyhow::Result<OpenStore> {
    let folder = &args.data_dir;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let config_store = FileConfigStore::new(folder.join("config.json"));
    let boot_counters = FileBootCounters::beside(&folder.join("config.json"));
    let stored = config_store.read().await?;
    let (replicas, failed) = DevReplicas::new(folder, &args.limits, registry, shutdown);
    let replicas = Arc::new(replicas);
    let members = |stored: &StoredConfig| {
        let members = stored.config.members().iter();
        let ordinals = members.filter_map(|member| ordinal(&member.pod));
        ordinals.max().map_or(0, |last| last + 1)
    };
    let existing = match &stored {
        Some(stored) => Some(members(stored)),
        // An interrupted first start leaves fewer than were asked for.
        None if args.replicas.is_some() => None,
        None => replica_folders(folder),
    };
    let count = replica_number(args, existing)?;
    for number in 0..count.max(replicas.size().unwrap_or(0)) {
        let held = replicas.open(number).await?;
        if let (Some(held), Some(stored)) = (held, &stored)
            && held.config.cluster_id() != stored.config.cluster_id()
        {
            bail!(
                "{} belongs to another cluster, {}, than {}, which is of {}; put the right folder back, or use another --data-dir",
                folder.join(pod(number)).display(),
                held.config.cluster_id(),
                folder.join("config.json").display(),
                stored.config.cluster_id(),
            );
        }
    }
    let config = stored.as_ref().map(|stored| &*stored.config);
    // Nobody else would before the first config is made.
    admit_all(&*replicas, &boot_counters, None, config, BOOTSTRAP_LIMIT).await?;
    if let Some(stored) = &stored {
        check_majority(&*replicas, &stored.config, folder).await?;
    }
    if stored.is_none() {
        make_first_config(&*replicas, &config_store).await?;
    }
    Ok(OpenStore {
        boot_counters: Arc::new(boot_counters),
        replicas,
        config_store: Arc::new(config_store),
        count,
        failed: Box::pin(failed),
    })
}

/// How many replicas' folders there are, if any.
fn replica_folders(folder: &Path) -> Option<usize> {
    let is_there = |number: &usize| folder.join(format!("replica-{number}")).is_dir();
    let folders = (0..MAX_GROUP_MEMBERS).take_while(is_there).count();
    (folders > 0).then_some(folders)
}

fn replica_number(args: &Args, existing: Option<usize>) -> anyhow::Result<usize> {
    match (args.replicas, existing) {
        (Some(wanted), Some(existing)) if wanted != existing => bail!(
            "the store in {} has {}, not {wanted}; leave --replicas out and use `quorate scale`, or use another --data-dir",
            args.data_dir.display(),
            counted(existing as u64, "replica"),
        ),
        (_, Some(existing)) => Ok(existing),
        (Some(wanted), None) => Ok(wanted),
        (None, None) => Ok(DEFAULT_REPLICAS),
    }
}

/// Refuses to start a store that could not serve: with most of its folders lost, replaced by
/// empty ones.
async fn check_majority(
    directory: &dyn Directory,
    config: &Config,
    folder: &Path,
) -> anyhow::Result<()> {
    let mut present = MemberSet::EMPTY;
    for (index, member) in config.members().iter().enumerate() {
        let identity = directory.replica(member).identify(BOOTSTRAP_LIMIT).await?;
        if identity.replica_id == member.replica_id {
            present.insert(index);
        }
    }
    if config.quorums().reached(present) {
        return Ok(());
    }
    bail!(
        "{} has only {} of the {} of its store; the other folders are lost or of another store: put them back, or use another --data-dir",
        folder.display(),
        present.len(),
        counted(config.members().len() as u64, "replica"),
    );
}

async fn make_first_config(
    directory: &dyn Directory,
    store: &FileConfigStore,
) -> anyhow::Result<()> {
    match bootstrap(directory, Some(store), &SystemEntropy, BOOTSTRAP_LIMIT).await {
        Ok(_) => Ok(()),
        // The file with the config is lost, and the replicas still have it.
        Err(BootstrapError::NotVirgin { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Says what runs where, and what to try next.
fn introduce(
    args: &Args,
    (register, admin): (std::net::SocketAddr, std::net::SocketAddr),
    replicas: usize,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let endpoint = match register.port() == 7400 {
        true => String::new(),
        false => format!(" --endpoint http://{register}"),
    };
    let path: &Path = &args.data_dir;
    let quorate = own_name();
    let replicas = counted(replicas as u64, "replica");
    writeln!(
        out,
        "\
Quorate {version}: {replicas} and a coordinator in this process

  register  {register}  gRPC, quorate.v1.Register
  admin     http://{admin}  / /metrics /live /ready /info
  data      {path}

Try in another terminal:
  {quorate} set{endpoint} greeting hello
  {quorate} get{endpoint} greeting
  {quorate} status{endpoint}
  {quorate} scale{endpoint} 5
  {quorate} verify{endpoint} --duration 10s

Ctrl-C stops it; the data stays.",
        version = env!("CARGO_PKG_VERSION"),
        path = path.display(),
    )
}

/// What to type to run this program: its name where the shell finds this very file under it,
/// and otherwise the file, as after `cargo run`.
fn own_name() -> String {
    const NAME: &str = "quorate";
    let Ok(own) = std::env::current_exe() else {
        return NAME.to_owned();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(NAME));
    let found = found.find(|file| file.is_file());
    let same = found.and_then(|file| Some(file.canonicalize().ok()? == own.canonicalize().ok()?));
    match same {
        Some(true) => NAME.to_owned(),
        _ => quoted(&own.to_string_lossy()),
    }
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+@%:,=".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
