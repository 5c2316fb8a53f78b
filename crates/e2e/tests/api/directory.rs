//! Where the members are.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{DeleteParams, PostParams};
use quorate_coordinator::kubernetes::{
    ApiAccess, KubernetesDirectory, LookUp, PodNames, look_up_while_api_is_away,
};
use quorate_coordinator::membership::{Directory, FixedDirectory};
use quorate_e2e::{Fault, Faults, Namespace, Proxy, until, until_within};
use quorate_register::{Member, ReplicaError, ReplicaId};
use quorate_runtime::SystemEntropy;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{access, access_over};

/// A directory that follows the Service `r`, whose replicas are nowhere: they tell their address.
struct Following {
    directory: KubernetesDirectory,
    task: JoinHandle<()>,
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn follow(access: ApiAccess) -> Following {
    let connect = |address: SocketAddr| {
        let nowhere = Member {
            replica_id: ReplicaId::from_bytes([0; 16]),
            pod: address.to_string(),
        };
        FixedDirectory::default().replica(&nowhere)
    };
    let directory = KubernetesDirectory::new(7401, Arc::new(connect));
    let follows = directory.clone();
    let task = tokio::spawn(async move {
        follows.follow(access, "r", Arc::new(SystemEntropy)).await;
    });
    Following { directory, task }
}

fn member(pod: &str) -> Member {
    Member {
        replica_id: ReplicaId::from_bytes([1; 16]),
        pod: pod.to_owned(),
    }
}

pub(crate) async fn make(namespace: &Namespace, name: &str, family: &str, endpoints: Value) {
    let slice = slice(name, family, endpoints);
    let api = namespace.api::<EndpointSlice>();
    api.create(&PostParams::default(), &slice).await.unwrap();
}

pub(crate) async fn replace(namespace: &Namespace, name: &str, family: &str, endpoints: Value) {
    let api = namespace.api::<EndpointSlice>();
    let mut slice = slice(name, family, endpoints);
    let old = api.get(name).await.unwrap();
    slice.metadata.resource_version = old.metadata.resource_version;
    let parameters = PostParams::default();
    api.replace(name, &parameters, &slice).await.unwrap();
}

fn slice(name: &str, family: &str, endpoints: Value) -> EndpointSlice {
    let endpoints: Vec<Value> = endpoints
        .as_object()
        .unwrap()
        .iter()
        .map(|(pod, address)| {
            json!({
                "addresses": [address],
                "conditions": {"ready": false},
                "targetRef": {"kind": "Pod", "name": pod},
            })
        })
        .collect();
    serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "r"}},
        "addressType": family,
        "endpoints": endpoints,
        "ports": [{"name": "grpc", "port": 7401}],
    }))
    .unwrap()
}

async fn is_at(directory: &KubernetesDirectory, pod: &str, address: &str) {
    let what = format!("{pod} is at {address}");
    until_within(Duration::from_secs(100), &what, async || {
        directory.address(pod).as_deref() == Some(address)
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn pods_are_found_and_followed_as_their_addresses_change() {
    let namespace = Namespace::new("directory").await.unwrap();
    let four = json!({"r-0": "10.1.0.1", "r-1": "10.1.0.2"});
    make(&namespace, "four", "IPv4", four).await;
    let six = json!({"r-1": "fd00::2", "r-2": "fd00::3"});
    make(&namespace, "six", "IPv6", six).await;
    let following = follow(access(&namespace, namespace.config()));
    let directory = &following.directory;
    // Asked for before it is known.
    let replica = directory.replica(&member("r-2"));
    is_at(directory, "r-2", "[fd00::3]:7401").await;
    assert_eq!(directory.pods(), ["r-0", "r-1", "r-2"]);
    is_at(directory, "r-1", "10.1.0.2:7401").await;
    // The replica that was got before the change is asked at the new address.
    let error = replica.identify(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error, nowhere("[fd00::3]:7401"));
    replace(&namespace, "six", "IPv6", json!({"r-2": "fd00::7"})).await;
    is_at(directory, "r-2", "[fd00::7]:7401").await;
    let error = replica.identify(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error, nowhere("[fd00::7]:7401"));
    // Gone from the list, but a member stays where it was last.
    let api = namespace.api::<EndpointSlice>();
    api.delete("six", &DeleteParams::default()).await.unwrap();
    until("r-2 is gone", async || directory.pods() == ["r-0", "r-1"]).await;
    assert!(directory.pod("r-2").is_none());
    let error = replica.identify(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(error, nowhere("[fd00::7]:7401"));
    namespace.delete().await.unwrap();
}

fn nowhere(address: &str) -> ReplicaError {
    ReplicaError::Unreachable {
        problem: format!("no address is known for pod {address}"),
    }
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn it_survives_throttling_gone_versions_and_failing_servers() {
    let namespace = Namespace::new("directory-faults").await.unwrap();
    make(&namespace, "four", "IPv4", json!({"r-0": "10.1.0.1"})).await;
    let faults = Faults::default();
    let client = faults.client(namespace.client());
    faults.set(Method::GET, "endpointslices", Fault::Instead(429));
    let following = follow(access_over(&namespace, client));
    let directory = &following.directory;
    until("it was throttled", async || faults.met() >= 1).await;
    assert!(!directory.contact().is_current());
    assert!(directory.pods().is_empty());
    for (n, (part, code)) in [
        ("endpointslices", 500),
        ("endpointslices", 401),
        ("watch=true", 410),
        ("watch=true", 429),
        ("watch=true", 503),
    ]
    .into_iter()
    .enumerate()
    {
        let met = faults.met();
        faults.set(Method::GET, part, Fault::Instead(code));
        // A watch that goes on is not answered otherwise; its end, within half a minute, is.
        let limit = Duration::from_secs(60);
        let what = format!("{part} was answered {code}");
        until_within(limit, &what, async || faults.met() > met).await;
        faults.clear();
        let address = format!("10.1.1.{n}");
        replace(&namespace, "four", "IPv4", json!({"r-0": address})).await;
        is_at(directory, "r-0", &format!("{address}:7401")).await;
    }
    until("it is current again", async || {
        directory.contact().is_current()
    })
    .await;
    namespace.delete().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn a_connection_that_died_silently_is_noticed() {
    let namespace = Namespace::new("directory-silent").await.unwrap();
    make(&namespace, "four", "IPv4", json!({"r-0": "10.1.0.1"})).await;
    let (proxy, config) = Proxy::new(namespace.config()).await.unwrap();
    let following = follow(access(&namespace, config));
    is_at(&following.directory, "r-0", "10.1.0.1:7401").await;
    proxy.freeze_open_connections();
    replace(&namespace, "four", "IPv4", json!({"r-0": "10.1.0.9"})).await;
    is_at(&following.directory, "r-0", "10.1.0.9:7401").await;
    namespace.delete().await.unwrap();
}

/// DNS in which every pod of three has an address.
struct Names;

#[async_trait]
impl LookUp for Names {
    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let addresses: &[[u8; 4]] = match name {
            "r.shop.svc" => &[[10, 9, 0, 0], [10, 9, 0, 1], [10, 9, 0, 2]],
            "r-0.r.shop.svc" => &[[10, 9, 0, 0]],
            "r-1.r.shop.svc" => &[[10, 9, 0, 1]],
            "r-2.r.shop.svc" => &[[10, 9, 0, 2]],
            _ => return Err(io::Error::other("no such name")),
        };
        Ok(addresses.iter().copied().map(IpAddr::from).collect())
    }
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn while_the_api_is_away_dns_tells_addresses() {
    let namespace = Namespace::new("directory-dns").await.unwrap();
    make(&namespace, "four", "IPv4", json!({"r-0": "10.1.0.1"})).await;
    let (proxy, config) = Proxy::new(namespace.config()).await.unwrap();
    proxy.go_away();
    let following = follow(access(&namespace, config));
    let directory = following.directory.clone();
    let names = PodNames {
        stateful_set: "r".to_owned(),
        service: "r".to_owned(),
        namespace: "shop".to_owned(),
    };
    let looking = tokio::spawn(look_up_while_api_is_away(directory.clone(), names, Names));
    // From the start.
    until("all are found", async || {
        directory.pods() == ["r-0", "r-1", "r-2"]
    })
    .await;
    is_at(&directory, "r-1", "10.9.0.1:7401").await;
    assert!(!directory.contact().is_current());
    // The API knows better once it is there.
    proxy.come_back();
    is_at(&directory, "r-0", "10.1.0.1:7401").await;
    until("only r-0 is left", async || directory.pods() == ["r-0"]).await;
    // And again when it leaves.
    proxy.go_away();
    is_at(&directory, "r-0", "10.9.0.0:7401").await;
    looking.abort();
    namespace.delete().await.unwrap();
}
