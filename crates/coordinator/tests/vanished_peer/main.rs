//! A replica that vanishes without a word: its host loses power, or a cable is cut.
//!
//! No packet comes that would say so, and none that is sent arrives. Operations go on with the
//! other replicas, and within the time that the transport states both ends of the connection
//! are closed, though no operation ends them.
//!
//! The vanishing is real: the replica's socket is in a network namespace of its own, and all
//! packets of the link to it are sent to an Ethernet address that nobody has. That needs root;
//! without it the tests say loudly that they were skipped.
#![cfg(target_os = "linux")]

mod network;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use network::{Network, PEER};
use quorate_proto::transport::{ChannelOptions, ServerOptions};
use quorate_register::Register;
use support::{Cluster, Served, key, nonblocking, options, until_within};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// The time that `quorate_proto::transport` states for its defaults.
const STATED: Duration = Duration::from_secs(10);

/// What is waited at most: the stated time, and as much for a machine that is busy. Without
/// the transport's options the kernel takes a quarter of an hour or, for silence, for ever.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn the_stated_time_is_that_of_the_defaults() {
    let (channel, server) = (ChannelOptions::default(), ServerOptions::default());
    assert_eq!(
        STATED,
        channel.keep_alive_interval + channel.keep_alive_timeout
    );
    assert_eq!(
        STATED,
        server.keep_alive_interval + server.keep_alive_timeout
    );
    assert_eq!(
        (STATED, STATED),
        (channel.user_timeout, server.user_timeout)
    );
}

#[test]
fn an_idle_connection_to_a_vanished_replica_is_closed_in_time() {
    vanish(false);
}

#[test]
fn a_busy_connection_to_a_vanished_replica_is_closed_in_time_and_operations_go_on() {
    vanish(true);
}

fn vanish(busy: bool) {
    let Some(network) = Network::new() else {
        return;
    };
    network.here(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(vanishing(&network, busy));
    });
}

async fn vanishing(network: &Network, busy: bool) {
    let mut servers = Vec::new();
    let cluster = Cluster::reached(3, 3, options(), |replica| {
        let listener = match servers.len() {
            0 => network.there(|| std::net::TcpListener::bind((PEER, 0))),
            _ => std::net::TcpListener::bind("127.0.0.1:0"),
        };
        let listener = nonblocking(listener.unwrap());
        servers.push(Served::listening(replica.clone(), listener));
        servers.last().unwrap().remote()
    });
    let cluster = cluster.await;
    let port = servers[0].address().port();
    let peer = cluster.membership.view().unwrap().target(0).replica.clone();

    // Connected: one socket here, and one there.
    let limit = Duration::from_secs(5);
    peer.identify(limit).await.unwrap();
    let connected = network.here(|| network::established(port));
    let accepted = network.there(|| network::established(port));
    assert_eq!((connected.len(), accepted.len()), (1, 1));
    assert!(network::is_open(connected[0]) && network::is_open(accepted[0]));

    let load = Load::begin(&cluster, busy).await;
    if !busy {
        let silent = |port| network::is_silent(port);
        let both = || network.here(|| silent(port)) && network.there(|| silent(port));
        until_within(BOUND, "silence", both, |silent| *silent).await;
    }
    network.cut();
    let cut = Instant::now();
    let operations = load.done();
    let open = || {
        (
            network::is_open(connected[0]),
            network::is_open(accepted[0]),
        )
    };
    until_within(BOUND, "sockets of a dead connection", open, |open| {
        *open == (false, false)
    })
    .await;
    eprintln!(
        "busy: {busy}; both ends were closed after {:?}",
        cut.elapsed()
    );

    // Meanwhile none failed, and many completed without the one that vanished.
    if busy {
        let enough = |done: &u64| *done >= operations + 100;
        until_within(BOUND, "operations", || load.done(), enough).await;
    }
    load.end().await;
    // The kernel gives up what was begun to connect anew. (The descriptor of the last attempt
    // is closed only when the channel is used again, as below: one per channel at most.)
    let sockets = || network.here(|| network::sockets(port).len());
    until_within(BOUND, "connecting sockets", sockets, |count| *count == 0).await;
    assert_eq!(cluster.coordinator.live().operations, 0);

    // When the replica appears again it is reached again.
    network.mend();
    let begun = Instant::now();
    while let Err(error) = peer.identify(Duration::from_secs(1)).await {
        assert!(
            begun.elapsed() < BOUND,
            "the replica is not reached again: {error}"
        );
    }
}

/// Operations one after the other, for as long as it lasts.
struct Load {
    done: Arc<AtomicU64>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Begins, and returns once it is in full swing.
    async fn begin(cluster: &Cluster, busy: bool) -> Self {
        let (done, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let coordinator = cluster.coordinator.clone();
        let counted = done.clone();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            while busy && !stopped.is_cancelled() {
                let value = counted.load(Ordering::Relaxed).to_string();
                coordinator
                    .set(&key("load"), value.into(), None)
                    .await
                    .unwrap();
                coordinator.get(&key("load"), None).await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(5)).await;
            }
        });
        let load = Self { done, stop, task };
        if busy {
            until_within(BOUND, "load", || load.done(), |done| *done > 10).await;
        }
        load
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Stops; every operation must have succeeded.
    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("no operation failed");
    }
}
