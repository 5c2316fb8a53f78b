//! `quorate bootstrap`: the first config of a new store.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use quorate_coordinator::membership::{ConfigStore, FileConfigStore, FixedDirectory, bootstrap};
use quorate_coordinator::{ReplicaAddress, remote_directory};
use quorate_runtime::SystemEntropy;
use quorate_runtime::args::duration;

use crate::{Context, Exit};

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

    /// How long to wait for each replica's answer.
    #[arg(long, env = "QUORATE_BOOTSTRAP_TIMEOUT", value_name = "DURATION", value_parser = duration, default_value = "10s")]
    pub wait: Duration,
}

/// Makes the config and says which.
///
/// # Errors
/// The text is for the user.
pub async fn run(args: Args, context: &mut Context) -> anyhow::Result<Exit> {
    let directory = remote_directory(FixedDirectory::default(), &args.replicas)?;
    let config_store = args.config_file.map(FileConfigStore::new);
    let config_store = config_store.as_ref().map(|store| store as &dyn ConfigStore);
    let config = bootstrap(&directory, config_store, &SystemEntropy, args.wait).await?;
    writeln!(
        context.output,
        "made cluster {} with {} members, of which {} may be lost:",
        config.cluster_id(),
        config.members().len(),
        (config.members().len() - 1) / 2
    )?;
    for member in config.members() {
        writeln!(
            context.output,
            "  {}  replica {}",
            member.pod, member.replica_id
        )?;
    }
    Ok(Exit::DONE)
}
