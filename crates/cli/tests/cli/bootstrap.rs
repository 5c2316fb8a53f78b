//! `bootstrap`, as a user and a script see it.

use std::sync::Arc;

use crate::support::{Ran, Session, listen, run_at};
use prometheus::Registry;
use quorate_cli::Exit;
use quorate_proto::transport::{Incoming, ServerOptions, server};
use quorate_proto::{Limits, ReplicaService};
use quorate_register::ReplicaId;
use quorate_replica::memory::{MemoryDisk, MemoryStore};
use quorate_replica::{LocalReplica, ReplicaMetrics, ReplicaOptions};
use serde_json::json;
use tokio::net::TcpListener;

/// Serves a replica of this name whose disk never held a config; its address.
fn replica(pod: &str, id: u8) -> String {
    serve(pod, id, listen(([127, 0, 0, 1], 0).into()))
}

fn serve(pod: &str, id: u8, listener: TcpListener) -> String {
    let address = listener.local_addr().unwrap().to_string();
    let metrics = ReplicaMetrics::new(&Registry::new(), pod).unwrap();
    let options = ReplicaOptions::new(ReplicaId::from_bytes([id; 16]), pod);
    let store = MemoryStore::open(Arc::new(MemoryDisk::default()));
    let (replica, committer) = LocalReplica::new(store, options, metrics);
    tokio::spawn(committer.run());
    let options = ServerOptions::default();
    let service = ReplicaService::new(Arc::new(replica), Limits::default()).into_server();
    let serving = server(&options)
        .add_service(service)
        .serve_with_incoming(Incoming::new(vec![listener], &options));
    tokio::spawn(async move { serving.await.expect("it serves") });
    address
}

async fn bootstrap(replicas: &[(&str, &str)], more: &[&str]) -> Ran {
    let replicas = replicas.iter().map(|(pod, at)| format!("{pod}={at}"));
    let replicas = replicas.collect::<Vec<_>>().join(",");
    let arguments = [&["bootstrap", "--replica", &replicas], more].concat();
    run_at(&[], &arguments, Session::default()).await
}

#[tokio::test]
async fn a_script_reads_what_was_made() {
    let (a, b) = (replica("a", 0xaa), replica("b", 0xbb));
    let ran = bootstrap(&[("a", &a), ("b", &b)], &["-o", "json"]).await;
    assert_eq!((ran.exit, ran.errors.as_str()), (Exit::DONE, ""));
    let made = ran.json();
    assert_eq!(
        (&made["epoch"], &made["may_be_lost"]),
        (&json!("1"), &json!(0))
    );
    assert_eq!(
        made["members"],
        json!([
            { "pod": "a", "replica_id": "a".repeat(32) },
            { "pod": "b", "replica_id": "b".repeat(32) },
        ])
    );
    // A second one is refused, which is an object too.
    let ran = bootstrap(&[("a", &a), ("b", &b)], &["-o", "json"]).await;
    assert_eq!((ran.exit, ran.text()), (Exit::FAILED, ""));
    let error: serde_json::Value = serde_json::from_str(&ran.errors).unwrap();
    assert_eq!(error["error"]["reason"], "FAILED");
    let message = error["error"]["message"].as_str().unwrap();
    let cluster_id = made["cluster_id"].as_str().unwrap();
    let expected = format!("a already belongs to cluster {cluster_id}");
    assert!(message.starts_with(&expected), "{message}");
}

#[tokio::test]
async fn swapped_names_are_one_clear_sentence() {
    let (a, b) = (replica("a", 0xaa), replica("b", 0xbb));
    let ran = bootstrap(&[("a", &b), ("b", &a)], &[]).await;
    assert_eq!((ran.exit, ran.text()), (Exit::FAILED, ""));
    assert_eq!(
        ran.errors,
        "quorate: the replica listed as a calls itself b, the replica listed as b calls itself \
         a: correct the names or the addresses\n"
    );
    let ran = bootstrap(&[("a", &a), ("b", &a)], &[]).await;
    let same = format!("a and b are the same replica, {}", "a".repeat(32));
    assert!(ran.errors.contains(&same), "{}", ran.errors);
    // Nothing was made of them: the right names are taken.
    let ran = bootstrap(&[("a", &a), ("b", &b)], &[]).await;
    assert_eq!((ran.exit, ran.errors.as_str()), (Exit::DONE, ""));
    let text = ran.text();
    assert!(
        text.contains("with 2 members, of which 0 may be lost"),
        "{text}"
    );
}

/// Typed in one go, `bootstrap` runs before the replicas listen.
#[tokio::test]
async fn replicas_that_are_just_starting_are_waited_for() {
    let a = replica("a", 0xaa);
    // Not 127.0.0.1: from there something else could be given the port meanwhile.
    let address = ([127, 0, 1, 77], 0).into();
    let address = listen(address).local_addr().unwrap();
    let late = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        serve("b", 0xbb, listen(address))
    });
    let ran = bootstrap(&[("a", &a), ("b", &address.to_string())], &[]).await;
    assert_eq!((ran.exit, ran.errors.as_str()), (Exit::DONE, ""));
    late.await.unwrap();

    let nobody = bootstrap(&[("c", "127.0.0.1:1")], &["--wait", "200ms"]).await;
    assert_eq!(nobody.exit, Exit::FAILED);
    assert!(
        nobody.errors.contains("c: unreachable"),
        "{}",
        nobody.errors
    );
}
