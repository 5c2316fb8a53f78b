//! Clients, coordinator and replicas with gRPC over TCP between them, on loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_proto::RemoteReplica;
use quorate_register::Replica;

use crate::support::{
    Cluster, Current, Hosts, Seeded, Served, Stage, Trigger, alone, chaos, front, key, options,
};

const OPERATIONS: u64 = 10_000;

/// The replicas' servers, and the ways to them.
struct Servers {
    servers: Vec<Arc<Served>>,
    remotes: Vec<Arc<RemoteReplica>>,
}

#[async_trait]
impl Hosts for Servers {
    async fn kill(&self, replica: usize) {
        self.servers[replica].kill().await;
    }

    async fn revive(&self, replica: usize) {
        self.servers[replica].revive();
    }

    fn open_calls(&self) -> Vec<usize> {
        let remotes = self.remotes.iter();
        remotes.map(|remote| remote.open_calls()).collect()
    }

    async fn settle(&self) {
        let limit = Duration::from_secs(1);
        for remote in &self.remotes {
            // A channel whose connection broke says so once, and then connects again.
            let mut tries = 0;
            while let Err(error) = remote.identify(limit).await {
                tries += 1;
                assert!(tries < 100, "the replica is not reached again: {error}");
            }
        }
    }
}

fn over_tcp(trigger: Trigger, seed: u64) {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut options = options();
        options.quorum.attempt_timeout = Duration::from_millis(150);
        options.quorum.background_timeout = Duration::from_millis(500);
        options.quorum.background_writes = 64;
        let mut servers: Vec<Arc<Served>> = Vec::new();
        let mut remotes = Vec::new();
        let cluster = Cluster::reached(3, 3, options.clone(), |replica| {
            // Not 127.0.0.1: from there a client could be given the port of a server that is
            // dead, and connect to itself.
            let address = SocketAddr::from(([127, 0, 1, 1 + servers.len() as u8], 0));
            servers.push(Served::new(replica.clone(), address));
            remotes.push(servers.last().unwrap().remote());
            remotes.last().unwrap().clone()
        });
        let cluster = cluster.await;
        let replicas = cluster.replicas.clone();
        replicas.iter().for_each(|replica| replica.forget());
        let current = Arc::new(Current::new(cluster, options));
        let register = front(current.clone());
        // Connected, as they stay.
        register.get(&key("first"), None).await.unwrap();
        let hosts = Servers { servers, remotes };
        let stage = Stage {
            register,
            current,
            hosts: Arc::new(hosts),
            replicas,
            random: Seeded::new(seed),
            clients: 150,
            pace: Duration::from_millis(100),
        };
        chaos(&stage, trigger, OPERATIONS).await;
    });
}

#[test]
fn nothing_outlives_a_gathered_quorum() {
    over_tcp(Trigger::Quorum, 11);
}

#[test]
fn nothing_outlives_the_deadline() {
    over_tcp(Trigger::Deadline, 12);
}

#[test]
fn nothing_outlives_a_client_that_left() {
    over_tcp(Trigger::Dropped, 13);
}

#[test]
fn nothing_outlives_a_stop() {
    over_tcp(Trigger::Stopped, 14);
}
