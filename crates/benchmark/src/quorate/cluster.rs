//! Replicas and coordinators on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::ensure;
use async_trait::async_trait;
use quorate_client::{Client, ClientOptions};
use quorate_register::Register;
use tokio::process::Command;

use super::metrics::Metrics;
use super::path::ClientPath;
use crate::ports::Ports;
use crate::process::Process;
use crate::system::{System, answers};

const REPLICAS: usize = 3;
/// The most coordinators at once: [`NEEDED`](crate::ports::NEEDED) counts them.
pub(crate) const MAX_COORDINATORS: usize = 6;

/// Three replicas and some coordinators.
pub(crate) struct QuorateCluster {
    programs: PathBuf,
    folder: PathBuf,
    replicas: Vec<Process>,
    /// The replicas' names and addresses, as flags.
    replica_flags: Vec<String>,
    coordinators: Vec<Coordinator>,
    /// Where coordinators that are not running would be.
    places: Vec<Place>,
}

#[derive(Clone)]
struct Place {
    address: String,
    admin: String,
}

struct Coordinator {
    process: Process,
    place: Place,
}

impl QuorateCluster {
    /// Starts them and makes the first config.
    pub(crate) async fn start(
        programs: &Path,
        folder: &Path,
        ports: &mut Ports,
        coordinators: usize,
    ) -> anyhow::Result<Self> {
        let mut replicas = Vec::new();
        let mut replica_flags = Vec::new();
        for number in 0..REPLICAS {
            let name = format!("replica-{number}");
            let address = ports.address();
            let arguments = vec![
                format!("--pod={name}"),
                format!("--listen={address}"),
                format!("--admin-listen={}", ports.address()),
                format!("--data-dir={}", folder.join(&name).display()),
            ];
            let program = programs.join("quorate-replica");
            replicas.push(Process::start(&name, &program, arguments, folder)?);
            replica_flags.push(format!("--replica={name}={address}"));
        }
        bootstrap(programs, &replica_flags).await?;
        let place = |_| Place {
            address: ports.address(),
            admin: ports.address(),
        };
        let mut cluster = Self {
            programs: programs.to_owned(),
            folder: folder.to_owned(),
            replicas,
            replica_flags,
            coordinators: Vec::new(),
            places: (0..MAX_COORDINATORS).map(place).collect(),
        };
        cluster.run_coordinators(coordinators)?;
        Ok(cluster)
    }

    /// Starts or ends coordinators, so that so many run, at most [`MAX_COORDINATORS`]. They
    /// have no state, so how they end does not matter.
    pub(crate) fn run_coordinators(&mut self, count: usize) -> anyhow::Result<()> {
        while self.coordinators.len() > count {
            let ended = self.coordinators.pop().expect("there are more");
            self.places.push(ended.place);
        }
        while self.coordinators.len() < count {
            let place = self.places.pop().expect("there are places for all");
            let name = format!("coordinator-{}", self.coordinators.len());
            let mut arguments = vec![
                format!("--listen={}", place.address),
                format!("--admin-listen={}", place.admin),
            ];
            arguments.extend_from_slice(&self.replica_flags);
            let program = self.programs.join("quorate-coordinator");
            let process = Process::start(&name, &program, arguments, &self.folder)?;
            self.coordinators.push(Coordinator { process, place });
        }
        Ok(())
    }

    /// The process of a replica.
    pub(crate) fn replica(&mut self, number: usize) -> &mut Process {
        &mut self.replicas[number]
    }

    /// All replicas.
    pub(crate) fn replicas(&self) -> &[Process] {
        &self.replicas
    }

    /// The process of a coordinator.
    pub(crate) fn coordinator(&mut self, number: usize) -> &mut Process {
        &mut self.coordinators[number].process
    }

    /// What each coordinator says of itself.
    pub(crate) async fn metrics(&self) -> anyhow::Result<Vec<Metrics>> {
        let mut all = Vec::new();
        for coordinator in &self.coordinators {
            all.push(Metrics::of(&coordinator.place.admin).await?);
        }
        Ok(all)
    }

    /// So many clients that know all coordinators and switch between them; each begins at
    /// the one that `first` says for its number.
    pub(crate) fn clients(
        &self,
        connections: usize,
        first: fn(usize) -> usize,
    ) -> anyhow::Result<Vec<Arc<dyn Register>>> {
        let client = |number| {
            let options = ClientOptions {
                first_endpoint: Some(first(number)),
                ..ClientOptions::default()
            };
            let client = Client::with_options(self.addresses(), options)?;
            Ok(Arc::new(client) as Arc<dyn Register>)
        };
        (0..connections).map(client).collect()
    }

    fn addresses(&self) -> impl Iterator<Item = &str> + Clone {
        let coordinators = self.coordinators.iter();
        coordinators.map(|coordinator| coordinator.place.address.as_str())
    }

    fn registers(&self, path: ClientPath, connections: usize) -> Vec<Arc<dyn Register>> {
        let addresses = self.addresses().cycle().take(connections);
        addresses.map(|address| path.register(address)).collect()
    }
}

/// `quorate bootstrap` waits for the replicas by itself.
async fn bootstrap(programs: &Path, replica_flags: &[String]) -> anyhow::Result<()> {
    let mut command = Command::new(programs.join("quorate"));
    command.arg("bootstrap").args(replica_flags);
    let output = command.kill_on_drop(true).output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "quorate bootstrap: {errors}");
    Ok(())
}

#[async_trait(?Send)]
impl System for QuorateCluster {
    fn processes(&self) -> Vec<&Process> {
        let coordinators = self.coordinators.iter();
        let coordinators = coordinators.map(|coordinator| &coordinator.process);
        self.replicas.iter().chain(coordinators).collect()
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let one_each = self.registers(ClientPath::Unary, self.coordinators.len());
        answers(self, &one_each).await
    }

    async fn connect(
        &self,
        path: ClientPath,
        connections: usize,
    ) -> anyhow::Result<Vec<Arc<dyn Register>>> {
        Ok(self.registers(path, connections))
    }
}
