//! Both ends over gRPC.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use quorate_proto::transport::{Routes, ServerOptions, routes};
use quorate_proto::{Limits, RemoteReplica, ReplicaService};
use quorate_register::{Pair, Replica, ReplicaError, Write};
use tokio_util::sync::CancellationToken;

use crate::common::{MemoryReplica, PATIENCE, Server, eventually, key, timestamp};

#[tokio::test]
async fn thousands_of_calls_at_once_share_a_connection_and_all_are_answered() {
    let (replica, fence) = MemoryReplica::adopted();
    let server = Server::replica(replica.clone()).await;
    let remote = RemoteReplica::new(server.channel(), Limits::default());
    let lengths = [10, 1000, 40_000, 90_000];
    let calls = (0..4000_usize).map(|number| {
        let remote = remote.clone();
        async move {
            let key = key(&format!("key {number}"));
            let length = match number % 200 {
                0 => lengths[number / 200 % lengths.len()],
                _ => 10,
            };
            let value = Bytes::from(vec![number as u8; length]);
            let write = Write {
                pair: Pair::new(&key, timestamp(1), Some(value)),
                key: key.clone(),
                origin: fence.epoch,
            };
            remote.local_write(&fence, &write, PATIENCE).await.unwrap();
            let read = remote.local_read(&fence, &key, PATIENCE).await;
            assert_eq!(read, Ok(write.pair));
        }
    });
    join_all(calls).await;
    assert_eq!(server.connections.accepted(), 1);
    assert_eq!(remote.open_calls(), 0);
}

/// A server that shuts down gracefully waits for the calls it has: an exchange must end by
/// itself, or it would wait for ever.
#[tokio::test]
async fn a_stop_ends_the_exchange_once_its_calls_are_answered() {
    let (replica, fence) = MemoryReplica::adopted();
    let stop = CancellationToken::new();
    let service = ReplicaService::new(replica.clone(), Limits::default()).until(stop.clone());
    let exchanges = service.exchanges();
    let services = Routes::new(service.into_server());
    let (routes, _) = routes(services, &["quorate.v1.Replica"]).await;
    let server = Server::start(routes, ServerOptions::default()).await;
    let remote = Arc::new(RemoteReplica::new(server.channel(), Limits::default()));
    let call = {
        let remote = remote.clone();
        tokio::spawn(async move { remote.local_read(&fence, &key("gate"), PATIENCE).await })
    };
    replica.calls.running(1).await;
    assert_eq!(exchanges.count(), 1);
    stop.cancel();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!call.is_finished());
    replica.gate.notify_one();
    assert_eq!(call.await.unwrap(), Ok(Pair::UNWRITTEN));
    eventually(|| exchanges.count() == 0).await;
    // The exchange is over: what comes later is refused, until somebody serves again.
    let refused = async {
        loop {
            match remote.local_read(&fence, &key("k"), PATIENCE).await {
                Err(ReplicaError::Unreachable { problem }) => return problem,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    };
    let problem = tokio::time::timeout(PATIENCE, refused).await.unwrap();
    let problems = [
        "the other end is stopping",
        "the other end closed the stream",
    ];
    assert!(problems.contains(&&*problem), "{problem}");
}
