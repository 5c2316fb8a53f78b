//! Replicas and coordinators on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use quorate_client::{Client, ClientOptions};
use quorate_register::Register;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::metrics::Metrics;
use super::path::ClientPath;
use crate::ports::Ports;
use crate::process::Process;
use crate::system::{System, answers};

const REPLICAS: usize = 3;
/// How long a new replica may take until it listens, and how often that is looked at.
const LISTEN_LIMIT: Duration = Duration::from_secs(10);
const LISTEN_PAUSE: Duration = Duration::from_millis(20);
/// The most coordinators at once: [`NEEDED`](crate::ports::NEEDED) counts them.
pub(crate) const MAX_COORDINATORS: usize = 6;

/// Three replicas and some coordinators.
pub(crate) struct QuorateCluster {
    programs: PathBuf,
    folder: PathBuf,
    replicas: Vec<Replica>,
    /// The replicas' names and addresses, as flags.
    replica_flags: Vec<String>,
    coordinators: Vec<Coordinator>,
    /// Where coordinators that are not running would be.
    places: Vec<Place>,
}

struct Replica {
    process: Process,
    address: String,
    admin: String,
}

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
        let mut replicas: Vec<Replica> = Vec::new();
        let mut replica_flags = Vec::new();
        for number in 0..REPLICAS {
            let name = format!("replica-{number}");
            let (address, admin) = (ports.address(), ports.address());
            let arguments = vec![
                format!("--pod={name}"),
                format!("--listen={address}"),
                format!("--admin-listen={admin}"),
                format!("--data-dir={}", folder.join(&name).display()),
            ];
            let program = programs.join("quorate-replica");
            let process = Process::start(&name, &program, arguments, folder)?;
            replica_flags.push(format!("--replica={name}={address}"));
            replicas.push(Replica {
                process,
                address,
                admin,
            });
        }
        for replica in &replicas {
            replica.listens().await?;
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
        &mut self.replicas[number].process
    }

    /// The processes of all replicas.
    pub(crate) fn replicas(&self) -> impl Iterator<Item = &Process> {
        self.replicas.iter().map(|replica| &replica.process)
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

    /// What each replica says of itself.
    pub(crate) async fn replica_metrics(&self) -> anyhow::Result<Vec<Metrics>> {
        let mut all = Vec::new();
        for replica in &self.replicas {
            all.push(Metrics::of(&replica.admin).await?);
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

impl Replica {
    /// Waits until it listens: `quorate bootstrap` asks each replica once, and coordinators
    /// that have a quorum do not wait for the rest.
    async fn listens(&self) -> anyhow::Result<()> {
        let until = Instant::now() + LISTEN_LIMIT;
        while let Err(error) = TcpStream::connect(&self.address).await {
            self.process.check()?;
            if Instant::now() >= until {
                return Err(error).with_context(|| format!("{} is not there", self.address));
            }
            sleep(LISTEN_PAUSE).await;
        }
        Ok(())
    }
}

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
        self.replicas().chain(coordinators).collect()
    }

    async fn ready(&self) -> anyhow::Result<()> {
        for replica in &self.replicas {
            replica.listens().await?;
        }
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
