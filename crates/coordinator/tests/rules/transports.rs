//! One replica in this process, the others behind a network: the same trait, one register.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator::LiveSnapshot;
use quorate_register::{Reason, Register, Replica};

use crate::support::{Act, Cluster, Served, front, key, options, until};

#[tokio::test]
async fn a_quorum_of_loopback_and_network() {
    let mut servers = Vec::new();
    let mut loopback = 0;
    let cluster = Cluster::reached(3, 3, options(), |replica| {
        if loopback == 0 {
            loopback += 1;
            return replica.clone() as Arc<dyn Replica>;
        }
        // Not 127.0.0.1: from there a client could be given the port of a server that is dead.
        let address = SocketAddr::from(([127, 0, 1, 11 + servers.len() as u8], 0));
        servers.push(Served::new(replica.clone(), address));
        servers.last().unwrap().remote()
    });
    let cluster = cluster.await;
    let (coordinator, key) = (&cluster.coordinator, key("k"));

    let version = coordinator.set(&key, "one".into(), None).await.unwrap();
    let entry = coordinator.get(&key, None).await.unwrap();
    assert_eq!((entry.value, entry.version), (Some("one".into()), version));

    // Loopback and one remote are a quorum...
    servers[0].kill().await;
    coordinator.set(&key, "two".into(), None).await.unwrap();
    assert_eq!(
        coordinator.get(&key, None).await.unwrap().value,
        Some("two".into())
    );
    // ... loopback alone is none, and the error tells what the network says...
    servers[1].kill().await;
    let timeout = Some(Duration::from_secs(2));
    let error = coordinator.get(&key, timeout).await.unwrap_err();
    assert_eq!(error.details["received"], "1");
    for pod in ["replica-1", "replica-2"] {
        let cause = &error.details[&format!("cause/{pod}")];
        assert!(cause.contains("onnection refused"), "{cause}");
    }
    // ... and two remotes are one.
    servers.iter().for_each(|server| server.revive());
    cluster.replicas[0].kill();
    assert_eq!(
        coordinator.get(&key, None).await.unwrap().value,
        Some("two".into())
    );
}

#[tokio::test]
async fn the_clients_deadline_is_carried_on_to_the_replicas() {
    let limit = Duration::from_secs(30);
    let mut options = options();
    options.quorum.attempt_timeout = limit;
    options.quorum.shortest_attempt_timeout = limit;
    let mut servers = Vec::new();
    let cluster = Cluster::reached(1, 1, options, |replica| {
        let address = SocketAddr::from(([127, 0, 1, 14], 0));
        servers.push(Served::new(replica.clone(), address));
        servers.last().unwrap().remote()
    });
    let cluster = cluster.await;
    let register = front(cluster.coordinator.clone());
    let (key, replica) = (key("k"), &cluster.replicas[0]);
    for timeout in [limit * 2, limit / 2] {
        replica.clear();
        register.set(&key, "v".into(), Some(timeout)).await.unwrap();
        for method in ["local_read_timestamp", "local_write"] {
            let given = replica.seen(method)[0].timeout;
            match timeout > limit {
                true => assert_eq!(given, limit, "{method}"),
                false => assert!(given < timeout, "{method}: {given:?}"),
            }
        }
    }
    // The end of the client's time is the end of it everywhere.
    replica.always(Act::Hang);
    let timeout = Some(Duration::from_millis(300));
    let error = register.get(&key, timeout).await.unwrap_err();
    assert!(matches!(
        error.reason,
        Reason::NoQuorum | Reason::DeadlineExceeded
    ));
    until("requests", || replica.in_flight(), |count| *count == 0).await;
    let live = || cluster.coordinator.live();
    until("guards", live, |live| *live == LiveSnapshot::default()).await;
}
