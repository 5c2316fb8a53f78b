//! Three members of etcd on this machine.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, ensure};
use async_trait::async_trait;
use quorate_register::Register;
use tonic::transport::Channel;

use super::interface::StatusRequest;
use super::interface::maintenance_client::MaintenanceClient;
use super::register::EtcdRegister;
use crate::ports::Ports;
use crate::process::Process;
use crate::quorate::ClientPath;
use crate::system::{System, answers, channel, eventually};

const MEMBERS: usize = 3;

/// The limit of etcd's data, in bytes. Its default of 2 GB would end a run of large values;
/// 32 GiB is only a limit, not memory.
const QUOTA_BYTES: u64 = 32 << 30;

/// Which members are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EtcdTarget {
    /// The leader only: fewest hops and least work per operation.
    Leader,
    /// All in turn: followers pass writes on to the leader, and ask it before they read.
    All,
}

/// Three members that form a cluster.
pub(crate) struct EtcdCluster {
    members: Vec<Member>,
    target: EtcdTarget,
}

struct Member {
    process: Process,
    address: String,
}

impl EtcdCluster {
    /// Starts them, with fsync on as by default; the data of each is in a folder of its own.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        ports: &mut Ports,
        target: EtcdTarget,
    ) -> anyhow::Result<Self> {
        let addresses: Vec<_> = (0..MEMBERS)
            .map(|_| (ports.address(), ports.address()))
            .collect();
        let peers = addresses.iter().enumerate();
        let peers: Vec<_> = peers
            .map(|(number, (_, peer))| format!("{}=http://{peer}", name(number)))
            .collect();
        let start = |(number, (client, peer)): (usize, &(String, String))| {
            let arguments = vec![
                format!("--name={}", name(number)),
                format!("--data-dir={}", folder.join(name(number)).display()),
                format!("--listen-client-urls=http://{client}"),
                format!("--advertise-client-urls=http://{client}"),
                format!("--listen-peer-urls=http://{peer}"),
                format!("--initial-advertise-peer-urls=http://{peer}"),
                format!("--initial-cluster={}", peers.join(",")),
                format!("--quota-backend-bytes={QUOTA_BYTES}"),
                "--log-level=warn".to_owned(),
            ];
            let process = Process::start(&name(number), program, arguments, folder)?;
            Ok(Member {
                process,
                address: client.clone(),
            })
        };
        let members = addresses.iter().enumerate().map(start);
        Ok(Self {
            members: members.collect::<anyhow::Result<_>>()?,
            target,
        })
    }

    /// The number of the member that all agree is the leader.
    pub(crate) async fn leader(&self) -> anyhow::Result<usize> {
        let mut ids = Vec::new();
        let mut leaders = Vec::new();
        for member in &self.members {
            let mut client = MaintenanceClient::new(member.channel());
            let status = client.status(StatusRequest {}).await?.into_inner();
            ids.push(status.header.map_or(0, |header| header.member_id));
            leaders.push(status.leader);
        }
        let leader = leaders[0];
        ensure!(
            leader != 0 && leaders.iter().all(|other| *other == leader),
            "etcd's members do not agree on a leader"
        );
        let leading = ids.iter().position(|id| *id == leader);
        leading.context("etcd's leader is no member")
    }

    /// The process of a member.
    pub(crate) fn member(&mut self, number: usize) -> &mut Process {
        &mut self.members[number].process
    }

    /// So many registers over all members in turn.
    pub(crate) fn all_members(&self, connections: usize) -> Vec<Arc<dyn Register>> {
        registers(self.members.iter(), connections)
    }
}

fn name(number: usize) -> String {
    format!("etcd-{number}")
}

fn registers<'a>(
    members: impl Iterator<Item = &'a Member> + Clone,
    connections: usize,
) -> Vec<Arc<dyn Register>> {
    let register = |member: &Member| Arc::new(EtcdRegister::new(member.channel())) as _;
    members.cycle().take(connections).map(register).collect()
}

impl Member {
    fn channel(&self) -> Channel {
        channel(&self.address)
    }
}

#[async_trait(?Send)]
impl System for EtcdCluster {
    fn processes(&self) -> Vec<&Process> {
        self.members.iter().map(|member| &member.process).collect()
    }

    async fn ready(&self) -> anyhow::Result<()> {
        answers(self, &self.all_members(MEMBERS)).await?;
        // A member that was paused may still campaign.
        eventually(self, || self.leader()).await.map(drop)
    }

    async fn connect(
        &self,
        // Programs talk to etcd in one way.
        _: ClientPath,
        connections: usize,
    ) -> anyhow::Result<Vec<Arc<dyn Register>>> {
        Ok(match self.target {
            EtcdTarget::All => self.all_members(connections),
            EtcdTarget::Leader => {
                let leader = self.leader().await?;
                registers(self.members[leader..=leader].iter(), connections)
            }
        })
    }
}
