//! `quorate bootstrap`: the first config of a new store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator::membership::{
    BootstrapError, ConfigStore, FileConfigStore, FixedDirectory, bootstrap,
};
use quorate_coordinator::{ReplicaAddress, remote_directory};
use quorate_register::{Config, Member};
use quorate_runtime::SystemEntropy;
use quorate_runtime::args::duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::numbers::counted;
use crate::{Context, Exit, Failure, Format, OutputArgs};

/// Make the first config of a new store, from replicas whose disks never held one.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// A replica of the new store, NAME=HOST:PORT, with the name that it was given. Repeat it,
    /// or separate replicas with commas.
    #[arg(
        long = "replica",
        env = "QUORATE_REPLICAS",
        value_name = "NAME=HOST:PORT",
        value_delimiter = ',',
        required = true
    )]
    pub replicas: Vec<ReplicaAddress>,

    /// The file that keeps the agreed config, if the coordinators were given one.
    #[arg(long, env = "QUORATE_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// How long to wait for replicas that do not answer, such as those that are just starting.
    #[arg(long, env = "QUORATE_BOOTSTRAP_TIMEOUT", value_name = "DURATION", value_parser = duration, default_value = "10s")]
    pub wait: Duration,

    /// How the result is written.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How long until replicas that did not answer are asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Makes the config. While replicas are missing, nothing was changed, and they are asked again
/// until `wait` is over.
async fn make(
    directory: &FixedDirectory,
    config_store: Option<&dyn ConfigStore>,
    wait: Duration,
) -> Result<Arc<Config>, BootstrapError> {
    let deadline = Instant::now() + wait;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let made = bootstrap(directory, config_store, &SystemEntropy, left).await;
        let missing = matches!(made, Err(BootstrapError::Missing { .. }));
        if !missing || Instant::now() + RETRY_INTERVAL >= deadline {
            return made;
        }
        sleep(RETRY_INTERVAL).await;
    }
}

/// Makes the config and says which.
pub(crate) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let directory = remote_directory(FixedDirectory::default(), &args.replicas);
    let directory = directory.map_err(|error| Failure::Usage(error.to_string()))?;
    let config_store = args.config_file.map(FileConfigStore::new);
    let config_store = config_store.as_ref().map(|store| store as &dyn ConfigStore);
    let made = make(&directory, config_store, args.wait).await;
    let failed = |error| Failure::Other(format!("{:#}", anyhow::Error::from(error)));
    let config = made.map_err(failed)?;
    let members = config.members();
    let may_be_lost = (members.len() - 1) / 2;
    if args.output.output == Format::Json {
        let member = |member: &Member| json!({ "pod": member.pod, "replica_id": member.replica_id.to_string() });
        context.write_json(&json!({
            "cluster_id": config.cluster_id().to_string(),
            "config_id": config.id().to_string(),
            "epoch": config.epoch().to_string(),
            "may_be_lost": may_be_lost,
            "members": members.iter().map(member).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::DONE);
    }
    context.write_line(&format!(
        "made cluster {} with {}, of which {may_be_lost} may be lost:",
        config.cluster_id(),
        counted(members.len() as u64, "member"),
    ))?;
    for member in members {
        context.write_line(&format!("  {}  replica {}", member.pod, member.replica_id))?;
    }
    Ok(Exit::DONE)
}
