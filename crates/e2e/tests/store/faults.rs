//! Pods and disks that go away while clients go on.

use quorate_e2e::{LIMIT, Release, until_within};

/// Replicas one after the other, each without a warning, and then all coordinators at once.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn deleted_pods_come_back() {
    let release = Release::install("deleted-pods", &[]).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    for ordinal in 0..3 {
        let pod = format!("quorate-replica-{ordinal}");
        let delete = ["delete", "pod", &pod, "--grace-period=0", "--force"];
        release.kubectl(&delete).await.unwrap();
        release.until_members(0..3).await;
    }
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    let load = release.load().await.unwrap();
    let coordinators = "--selector=app.kubernetes.io/component=coordinator";
    let delete = ["delete", "pod", coordinators, "--grace-period=0", "--force"];
    release.kubectl(&delete).await.unwrap();
    release.until_members(0..3).await;
    // While there is no coordinator, operations fail.
    load.report().await.unwrap();
    release.delete().await.unwrap();
}

/// The pod comes back with an empty disk, which is swapped in by itself.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_lost_disk_is_replaced() {
    let settings = ["replica.swapDelay=5s"];
    let release = Release::install("lost-disk", &settings).await.unwrap();
    release.until_members(0..3).await;
    let epoch = release.epoch().await.unwrap();
    let load = release.load().await.unwrap();
    let claim = ["delete", "pvc", "data-quorate-replica-2", "--wait=false"];
    release.kubectl(&claim).await.unwrap();
    let pod = ["delete", "pod", "quorate-replica-2"];
    release.kubectl(&pod).await.unwrap();
    until_within(LIMIT, "the new disk is a member", async || {
        release.epoch().await.is_ok_and(|it| it != epoch) && release.has_members(0..3).await
    })
    .await;
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}

/// Its pods are evicted, as far as the budget allows, and its volume waits for it.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_drained_node_stops_nothing() {
    // Other tests have pods on the node too.
    let settings = ["replica.podLabels.drained=here"];
    let release = Release::install("drain", &settings).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    let path = "jsonpath={.spec.nodeName}";
    let place = ["get", "pod", "quorate-replica-1", "--output", path];
    let node = release.kubectl(&place).await.unwrap();
    let drain = [
        "drain",
        &node,
        "--pod-selector=drained=here",
        "--delete-emptydir-data",
        "--timeout=2m",
    ];
    let drained = release.kubectl(&drain).await;
    // Whatever came of it, others need the node.
    let uncordon = ["uncordon", &node];
    release.kubectl(&uncordon).await.unwrap();
    drained.unwrap();
    release.until_members(0..3).await;
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}

/// Other settings replace all pods of both roles, one by one.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn all_pods_are_replaced_by_an_upgrade_and_no_operation_fails() {
    let release = Release::install("upgrade", &[]).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    let settings = ["replica.log=debug", "coordinator.log=debug"];
    release.upgrade(&settings).await.unwrap();
    release.until_members(0..3).await;
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}

/// Operations go on, the members stay, and the status names the command that mends it.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_lost_config_is_made_anew_and_no_operation_fails() {
    let release = Release::install("lost-config", &[]).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    let config = ["delete", "configmap", "quorate-config"];
    release.kubectl(&config).await.unwrap();
    release.scale(5).await.unwrap();
    until_within(LIMIT, "the status names the command", async || {
        let change = release.status().await.map(|mut it| it["change"].take());
        let change = change.unwrap_or_default();
        let blocked = change["blocked"].as_str().unwrap_or_default();
        change["wanted"] == 5 && blocked.ends_with("run `quorate recover`")
    })
    .await;
    assert!(release.has_members(0..3).await);
    release.quorate(&["recover"]).await.unwrap();
    release.until_members(0..5).await;
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}

/// Two of three disks are gone for good. What only they had is lost, so a person has to say so.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_lost_majority_is_given_up_only_by_force() {
    let release = Release::install("lost-majority", &[]).await.unwrap();
    release.until_members(0..3).await;
    for ordinal in [1, 2] {
        let claim = format!("data-quorate-replica-{ordinal}");
        let claim = ["delete", "pvc", &claim, "--wait=false"];
        release.kubectl(&claim).await.unwrap();
        let pod = format!("quorate-replica-{ordinal}");
        let pod = ["delete", "pod", &pod, "--grace-period=0", "--force"];
        release.kubectl(&pod).await.unwrap();
    }
    until_within(
        LIMIT,
        "the status says that the majority is lost",
        async || {
            let status = release.status().await.unwrap_or_default();
            status["health"] == "no_quorum"
        },
    )
    .await;
    let refused = release.quorate(&["recover"]).await.unwrap_err().to_string();
    for pod in ["quorate-replica-1", "quorate-replica-2"] {
        assert!(refused.contains(pod), "{refused}");
    }
    let force = ["recover", "--force-data-loss"];
    release.quorate(&force).await.unwrap();
    release.until_members(0..3).await;
    release.quorate(&["set", "after", "value"]).await.unwrap();
    let after = release.quorate(&["get", "after"]).await.unwrap();
    assert_eq!(after.trim(), "value");
    release.delete().await.unwrap();
}
