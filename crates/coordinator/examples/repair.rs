//! What repair costs: how fast an empty member is filled, and how soon a replica that starts
//! has counted its pairs. Three replicas on disk, behind gRPC on loopback, in one process.
//!
//! `cargo run --release -p quorate-coordinator --example repair -- FOLDER KEYS` (the folder must be
//! missing or empty, and is left behind).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prometheus::Registry;
use quorate_coordinator::membership::{FixedDirectory, Membership, bootstrap, load};
use quorate_coordinator::repair::{RepairMetrics, RepairOptions, Repairer, RepairerParts};
use quorate_coordinator::{CoordinatorMetrics, LiveCounts};
use quorate_proto::transport::{ChannelOptions, ServerOptions, channel, server};
use quorate_proto::{Limits, RemoteReplica, ReplicaService};
use quorate_register::{
    Digest, DigestRequest, Entropy, Fence, Key, Member, OpId, Pair, Replica, Timestamp,
};
use quorate_replica::disk::{DataDirectory, DiskStore, Options};
use quorate_replica::{DirectoryDisk, ReplicaMetrics, Store, start};
use tokio::net::TcpListener;
use tokio::time::Instant;

struct Random;

impl Entropy for Random {
    fn bits(&self) -> u128 {
        rand::random()
    }
}

const LIMIT: Duration = Duration::from_secs(5);

/// Writes the keys past the replica.
async fn fill(store: &DiskStore, keys: u64) -> anyhow::Result<()> {
    let value = Bytes::from(vec![7; 100]);
    let numbers: Vec<u64> = (0..keys).collect();
    for batch in numbers.chunks(5000) {
        let mut pairs = Vec::with_capacity(batch.len());
        for number in batch {
            let key = Key::new(format!("key-{number:012}"))?;
            let timestamp = Timestamp {
                counter: 1,
                op_id: OpId::from_bytes([5; 16]),
                ..Timestamp::ZERO
            };
            pairs.push((key.clone(), Pair::new(&key, timestamp, Some(value.clone()))));
        }
        store.commit(&pairs).await?;
    }
    Ok(())
}

/// Serves the replica of a folder; its disk, and the way to it.
async fn serve(folder: &Path, pod: &str, keys: u64) -> anyhow::Result<(Member, RemoteReplica)> {
    let path = folder.join(pod);
    let directory = DataDirectory::open(&path, &Options::default(), &Random)?;
    fill(directory.store(), keys).await?;
    let replica_id = directory.replica_id();
    // The replica takes the lock of the folder next.
    drop(directory);
    let metrics = ReplicaMetrics::new(&Registry::new(), pod)?;
    let running = start(DirectoryDisk::new(path, pod, Arc::new(Random)), metrics)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let service = ReplicaService::new(running.replica, Limits::default()).into_server();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let serving = server(&ServerOptions::default())
        .add_service(service)
        .serve_with_incoming(incoming);
    tokio::spawn(serving);
    let channel = channel(&address.to_string(), &ChannelOptions::default())?;
    let member = Member {
        replica_id,
        pod: pod.to_owned(),
    };
    Ok((member, RemoteReplica::new(channel, Limits::default())))
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(folder), Some(keys)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: repair FOLDER KEYS");
    };
    let keys: u64 = keys.parse()?;
    let mut directory = FixedDirectory::default();
    let mut members = Vec::new();
    for (number, keys) in [keys, keys, 0].into_iter().enumerate() {
        let pod = format!("replica-{number}");
        let (member, replica) = serve(Path::new(&folder), &pod, keys).await?;
        let replica: Arc<dyn Replica> = Arc::new(replica);
        members.push((member, replica.clone()));
        directory = directory.with(pod, "loopback", replica);
    }
    let directory = Arc::new(directory);
    let began = Instant::now();
    let config = bootstrap(&*directory, None, &Random, LIMIT).await?;
    let registry = Registry::new();
    let metrics = CoordinatorMetrics::new(&registry)?;
    let membership = Membership::new(directory, Arc::new(Random), metrics);
    load(&membership, None, LIMIT)
        .await
        .map_err(|problem| anyhow::anyhow!("{problem}"))?;
    for (member, replica) in &members {
        let fence = Fence::new(&config, member.replica_id);
        while replica
            .digest(&fence, &DigestRequest::Groups, LIMIT)
            .await?
            == Digest::Counting
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        println!("{} has counted after {:?}", member.pod, began.elapsed());
    }
    let repairer = Arc::new(Repairer::new(RepairerParts {
        options: RepairOptions::default(),
        membership: Arc::new(membership),
        entropy: Arc::new(Random),
        metrics: RepairMetrics::new(&registry)?,
        live: LiveCounts::default(),
    }));
    let mut status = repairer.status();
    let began = Instant::now();
    let runs = repairer.clone();
    tokio::spawn(async move { runs.run().await });
    let filled = status.wait_for(|it| it.members.get(2).is_some_and(|it| it.in_step.is_some()));
    let copied = filled.await?.members[2].keys_copied;
    let seconds = began.elapsed().as_secs_f64();
    let rate = copied as f64 / seconds;
    println!("{copied} keys copied in {seconds:.1} s: {rate:.0} keys/s");
    Ok(())
}
