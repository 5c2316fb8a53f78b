//! The first config, made by coordinators.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::DeleteParams;
use parking_lot::Mutex;
use prometheus::Registry;
use quorate_coordinator::CoordinatorMetrics;
use quorate_coordinator::kubernetes::{
    ApiAccess, KubernetesDirectory, StatefulSetWorkload, events, make_first_config,
};
use quorate_coordinator::membership::{ConfigStore, Membership, load};
use quorate_e2e::{Namespace, until};
use quorate_register::{Replica, ReplicaId};
use quorate_replica::memory::{MemoryDisk, MemoryStore};
use quorate_replica::{LocalReplica, ReplicaMetrics, ReplicaOptions};
use quorate_runtime::SystemEntropy;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::{access, store};
use crate::{directory, workload};

/// Replicas in this process that are reached by the addresses of pods.
#[derive(Clone, Default)]
struct Pods(Arc<Mutex<BTreeMap<SocketAddr, Arc<dyn Replica>>>>);

impl Pods {
    fn start(&self, pod: &str, address: &str) {
        let options = ReplicaOptions::new(ReplicaId::random(&SystemEntropy), pod);
        let metrics = ReplicaMetrics::new(&Registry::new(), pod).unwrap();
        let disk = MemoryStore::open(Arc::new(MemoryDisk::default()));
        let (replica, committer) = LocalReplica::new(disk, options, metrics);
        tokio::spawn(async move { committer.run().await.unwrap() });
        let address = format!("{address}:7401").parse().unwrap();
        self.0.lock().insert(address, Arc::new(replica));
    }
}

/// A coordinator's membership, which looks for a config and may make the first.
struct Coordinator {
    membership: Arc<Membership>,
    making: JoinHandle<()>,
}

fn coordinator(access: ApiAccess, pods: &Pods) -> Coordinator {
    let reached = pods.clone();
    let connect = move |address| reached.0.lock()[&address].clone();
    let directory = KubernetesDirectory::new(7401, Arc::new(connect));
    let (queue, publisher) = events(access.clone(), "coordinator-1");
    tokio::spawn(publisher.run());
    let workload = StatefulSetWorkload::new(access.clone(), "r", 1, queue);
    let entropy = Arc::new(SystemEntropy);
    let (follows, random, to) = (directory.clone(), entropy.clone(), access.clone());
    tokio::spawn(async move { follows.follow(to, "r", random).await });
    let (follows, random) = (workload.clone(), entropy.clone());
    tokio::spawn(async move { follows.follow(random).await });
    let metrics = CoordinatorMetrics::new(&Registry::new()).unwrap();
    let membership = Membership::new(Arc::new(directory), entropy.clone(), metrics);
    let membership = Arc::new(membership);
    let config_store = Arc::new(store(access));
    let making = make_first_config(
        membership.clone(),
        config_store,
        Arc::new(workload),
        entropy,
        1,
    );
    Coordinator {
        membership,
        making: tokio::spawn(making),
    }
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn it_is_made_once_when_all_wanted_replicas_are_there_and_virgin() {
    let namespace = Namespace::new("first-config").await.unwrap();
    let access = || access(&namespace, namespace.config());
    let pods = Pods::default();
    for n in 0..4 {
        pods.start(&format!("r-{n}"), &format!("10.1.0.{n}"));
    }
    workload::make(&namespace, 3).await;
    // A fourth, which nobody wants, is there before the third.
    let some = json!({"r-0": "10.1.0.0", "r-1": "10.1.0.1", "r-3": "10.1.0.3"});
    directory::make(&namespace, "four", "IPv4", some).await;
    let coordinators = [1, 2].map(|_| coordinator(access(), &pods));
    let store = store(access());
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(store.read().await.unwrap().is_none(), "r-2 is missing");
    let all = json!({
        "r-0": "10.1.0.0", "r-1": "10.1.0.1", "r-2": "10.1.0.2", "r-3": "10.1.0.3",
    });
    directory::replace(&namespace, "four", "IPv4", all).await;
    let membership = coordinators.each_ref().map(|it| it.membership.clone());
    let limit = Duration::from_secs(2);
    for membership in &membership {
        until("a config is found", async || {
            load(membership, Some(&store), limit).await.is_ok()
        })
        .await;
    }
    let [one, two] = membership.map(|it| it.view().unwrap().config().clone());
    assert_eq!(one.id(), two.id());
    let members: Vec<_> = one.members().iter().map(|it| it.pod.clone()).collect();
    assert_eq!(members, ["r-0", "r-1", "r-2"]);
    for coordinator in coordinators {
        until("it stops", async || coordinator.making.is_finished()).await;
    }
    // The object is lost, and a coordinator starts that may make a first config.
    let api = namespace.api::<ConfigMap>();
    api.delete("config", &DeleteParams::default())
        .await
        .unwrap();
    let late = coordinator(access(), &pods);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(store.read().await.unwrap().is_none(), "it made a store");
    let missing: Option<&dyn ConfigStore> = Some(&store);
    load(&late.membership, missing, limit).await.unwrap();
    assert_eq!(late.membership.view().unwrap().config().id(), one.id());
    namespace.delete().await.unwrap();
}
