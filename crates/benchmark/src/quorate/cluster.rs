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

/// How long a new replica may take until it listens, and how often that is looked at.
const LISTEN_LIMIT: Duration = Duration::from_secs(10);
const LISTEN_PAUSE: Duration = Duration::from_millis(20);
/// The most coordinators at once: [`NEEDED`](crate::ports::NEEDED) counts them.
pub(crate) const MAX_COORDINATORS: usize = 6;

/// What a store is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) replicas: usize,
    /// How many of them are members at first.
    pub(crate) members: usize,
    pub(crate) coordinators: usize,
    /// Whether coordinators agree on the members in a file, and so can change them.
    pub(crate) scales: bool,
}

impl Shape {
    /// Three members that stay, and so many coordinators.
    pub(crate) fn fixed(coordinators: usize) -> Self {
        Self {
            replicas: 3,
            members: 3,
            coordinators,
            scales: false,
        }
    }
}

/// Replicas and coordinators.
pub(crate) struct QuorateCluster {
    programs: PathBuf,
    folder: PathBuf,
    replicas: Vec<Replica>,
    /// Where coordinators find replicas and the config, as flags.
    store_flags: Vec<String>,
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
        shape: Shape,
    ) -> anyhow::Result<Self> {
        let mut replicas: Vec<Replica> = Vec::new();
        let mut store_flags = Vec::new();
        for number in 0..shape.replicas {
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
            store_flags.push(format!("--replica={name}={address}"));
            replicas.push(Replica {
                process,
                address,
                admin,
            });
        }
        for replica in &replicas {
            replica.listens().await?;
        }
        let mut first_config = store_flags[..shape.members].to_vec();
        if shape.scales {
            let file = format!("--config-file={}", folder.join("config.json").display());
            first_config.push(file.clone());
            store_flags.push(file);
        }
        bootstrap(programs, &first_config).await?;
        let place = |_| Place {
            address: ports.address(),
            admin: ports.address(),
        };
        let mut cluster = Self {
            programs: programs.to_owned(),
            folder: folder.to_owned(),
            replicas,
            store_flags,
            coordinators: Vec::new(),
            places: (0..MAX_COORDINATORS).map(place).collect(),
        };
        cluster.run_coordinators(shape.coordinators)?;
        Ok(cluster)
    }

    /// Starts another store in a folder of that name beside the data of this one.
    pub(crate) async fn beside(&self, name: &str, shape: Shape) -> anyhow::Result<Self> {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder)?;
        Self::start(&self.programs, &folder, &mut Ports::find(None)?, shape).await
    }

    /// Has it so many members, and waits until it has.
    pub(crate) async fn scale(&self, members: usize) -> anyhow::Result<()> {
        let mut command = Command::new(self.programs.join("quorate"));
        command.arg("scale").arg(members.to_string());
        for address in self.addresses() {
            command.arg(format!("--endpoint={address}"));
        }
        succeeds(command).await
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
            arguments.extend_from_slice(&self.store_flags);
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

async fn bootstrap(programs: &Path, flags: &[String]) -> anyhow::Result<()> {
    let mut command = Command::new(programs.join("quorate"));
    command.arg("bootstrap").args(flags);
    succeeds(command).await
}

async fn succeeds(mut command: Command) -> anyhow::Result<()> {
    let output = command.kill_on_drop(true).output().await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{:?}: {errors}", command.as_std());
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
