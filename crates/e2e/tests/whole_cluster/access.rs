//! What coordinators know of the API, and what they ask it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Client;
use kube::api::{Patch, PatchParams, PostParams};
use prometheus::Registry;
use quorate_coordinator::kubernetes::{
    ApiAccess, ConfigMapStore, KubernetesDirectory, KubernetesMetrics,
};
use quorate_coordinator::membership::{ConfigStore, Directory, FixedDirectory, SwapOutcome};
use quorate_e2e::{ClusterFault, Namespace, cluster, until_within};
use quorate_register::{Config, Member, ReplicaId};
use quorate_runtime::SystemEntropy;
use serde_json::json;

/// How long the API server may take to be back, and a coordinator to see it.
const LIMIT: Duration = Duration::from_secs(150);

fn access(namespace: &Namespace) -> ApiAccess {
    let metrics = KubernetesMetrics::new(&Registry::new()).unwrap();
    let name = Some(namespace.name().to_owned());
    ApiAccess::new(namespace.config(), name, metrics).unwrap()
}

fn directory(access: ApiAccess) -> KubernetesDirectory {
    let connect = |_: SocketAddr| {
        let nowhere = Member {
            replica_id: ReplicaId::from_bytes([0; 16]),
            pod: "nowhere".to_owned(),
        };
        FixedDirectory::default().replica(&nowhere)
    };
    let directory = KubernetesDirectory::new(7401, Arc::new(connect));
    let follows = directory.clone();
    tokio::spawn(async move { follows.follow(access, "r", Arc::new(SystemEntropy)).await });
    directory
}

async fn is_at(directory: &KubernetesDirectory, address: &str) {
    until_within(LIMIT, address, async || {
        directory
            .address("r-0")
            .is_some_and(|it| it.starts_with(address))
    })
    .await;
}

fn endpoints(address: &str) -> serde_json::Value {
    json!([{"addresses": [address], "targetRef": {"kind": "Pod", "name": "r-0"}}])
}

async fn make(namespace: &Namespace, address: &str) {
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": {"name": "four", "labels": {"kubernetes.io/service-name": "r"}},
        "addressType": "IPv4",
        "endpoints": endpoints(address),
    }))
    .unwrap();
    let api = namespace.api::<EndpointSlice>();
    api.create(&PostParams::default(), &slice).await.unwrap();
}

async fn change(namespace: &Namespace, address: &str) {
    let client = Client::try_from(namespace.config()).unwrap();
    let api = kube::Api::<EndpointSlice>::namespaced(client, namespace.name());
    let patch = Patch::Merge(json!({"endpoints": endpoints(address)}));
    let parameters = PatchParams::default();
    api.patch("four", &parameters, &patch).await.unwrap();
}

fn first() -> Config {
    let member = |n: u8| Member {
        replica_id: ReplicaId::random(&SystemEntropy),
        pod: format!("r-{n}"),
    };
    Config::first((0..3).map(member).collect(), &SystemEntropy).unwrap()
}

/// One test, since each part takes the cluster away from the others.
#[tokio::test]
#[ignore = "needs a cluster of its own: scripts/kubernetes-tests"]
async fn it_survives_a_state_that_was_rolled_back_and_a_server_that_hangs() {
    let namespace = Namespace::new("restore").await.unwrap();
    make(&namespace, "10.1.0.1").await;
    let directory = directory(access(&namespace));
    let store = ConfigMapStore::new(access(&namespace), "config", [].into());
    store.create(&first()).await.unwrap();
    is_at(&directory, "10.1.0.1").await;
    let snapshot = std::env::temp_dir().join(format!("{}.snapshot", namespace.name()));
    let snapshot = snapshot.to_str().unwrap();
    cluster(&["etcd", "save", snapshot]).unwrap();
    // From here on versions are handed out that will be handed out again.
    for n in 2..20 {
        change(&namespace, &format!("10.1.0.{n}")).await;
    }
    is_at(&directory, "10.1.0.19").await;
    let old = store.read().await.unwrap().unwrap();
    let swapped = store.swap(&old.version, &old.config, true).await.unwrap();
    let SwapOutcome::Swapped(future) = swapped else {
        panic!("a conflict");
    };
    cluster(&["etcd", "restore", snapshot]).unwrap();
    std::fs::remove_file(snapshot).unwrap();
    // What there is now is seen, though its versions are lower, and so is what comes.
    is_at(&directory, "10.1.0.1:").await;
    change(&namespace, "10.1.0.99").await;
    is_at(&directory, "10.1.0.99").await;
    // A version that never was is not swapped.
    let outcome = store.swap(&future, &old.config, true).await.unwrap();
    assert_eq!(outcome, SwapOutcome::Conflict);
    let stored = store.read().await.unwrap().unwrap();
    assert_eq!((stored.version, stored.active), (old.version, false));
    // A server that hangs: an error within the limit, and all goes on afterwards.
    let pause = ClusterFault::api_paused().unwrap();
    let hanging = store.read().await;
    until_within(LIMIT, "the directory notices", async || {
        !directory.contact().is_current()
    })
    .await;
    let kept = directory.address("r-0");
    pause.end().unwrap();
    let error = hanging.unwrap_err().to_string();
    assert!(error.contains("no answer in 10 s"), "{error}");
    assert_eq!(kept.as_deref(), Some("10.1.0.99:7401"));
    until_within(LIMIT, "the store answers", async || {
        store.read().await.is_ok()
    })
    .await;
    until_within(LIMIT, "the directory is current", async || {
        directory.contact().is_current()
    })
    .await;
    namespace.delete().await.unwrap();
}
