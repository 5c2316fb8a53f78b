//! A node without a network.

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use quorate_e2e::{ClusterFault, LIMIT, Release, until_within};

use crate::stores::{node, pods};

/// The others are a majority, and no client notices.
#[tokio::test]
#[ignore = "needs a cluster of its own: scripts/kubernetes-tests"]
async fn a_member_whose_node_is_cut_off_is_missed_by_nobody_and_comes_back() {
    let settings = [
        "replica.podAntiAffinity=hard",
        "coordinator.podAntiAffinity=hard",
    ];
    let release = Release::install("partition", &settings).await.unwrap();
    release.until_members(0..3).await;
    let coordinators = pods(&release, "coordinator").await;
    let used: Vec<_> = coordinators.iter().map(node).collect();
    let replicas = pods(&release, "replica").await;
    let alone = replicas.iter().find(|pod| !used.contains(&node(pod)));
    let alone = alone.expect("two coordinators are on two of three nodes");
    let (member, node) = (alone.metadata.name.as_deref().unwrap(), node(alone));
    let load = release.load_away_from(node).await.unwrap();

    let partition = ClusterFault::partitioned(node).unwrap();
    until_within(LIMIT, "the status names who is missing", async || {
        let Ok(status) = release.status().await else {
            return false;
        };
        let members = status["members"].as_array().cloned().unwrap_or_default();
        let missing = members.iter().filter(|it| it["reachable"] == false);
        let missing: Vec<_> = missing.filter_map(|it| it["pod"].as_str()).collect();
        missing == [member] && status["health"] == "degraded"
    })
    .await;
    let nodes = Api::<Node>::all(release.namespace().client());
    let is_ready = async || {
        let found = nodes.get(node).await.ok();
        let conditions = found.and_then(|node| node.status?.conditions);
        let ready = conditions
            .into_iter()
            .flatten()
            .find(|it| it.type_ == "Ready");
        ready.is_some_and(|it| it.status == "True")
    };
    until_within(LIMIT, "the cluster notices", async || !is_ready().await).await;
    release
        .quorate(&["set", "meanwhile", "value"])
        .await
        .unwrap();
    partition.end().unwrap();
    until_within(LIMIT, "the node is back", is_ready).await;
    release.until_members(0..3).await;
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}
