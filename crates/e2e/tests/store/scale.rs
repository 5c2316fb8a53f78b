//! Other sizes, as `kubectl scale` asks for them.

use quorate_e2e::{Release, until};
use serde_json::Value;

const LEAVING: [&str; 4] = [
    "quorate-replica-1",
    "quorate-replica-2",
    "quorate-replica-3",
    "quorate-replica-4",
];

/// Four of five pods are told to end at the same moment: with fewer than three of them left no
/// operation would come to an end.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn from_five_to_one_in_one_step_no_operation_fails() {
    let settings = ["replica.replicas=5", "replica.minReplicas=1"];
    let release = Release::install("five-to-one", &settings).await.unwrap();
    release.until_members(0..5).await;
    let load = release.load().await.unwrap();
    release.scale(1).await.unwrap();
    release.until_members(0..1).await;
    release.until_gone(&LEAVING).await;
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn up_and_down_no_operation_fails() {
    let release = Release::install("up-and-down", &[]).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    release.scale(5).await.unwrap();
    release.until_members(0..5).await;
    let before = release.epoch().await.unwrap();
    release.scale(3).await.unwrap();
    release.until_members(0..3).await;
    // Both leave in one change, of a joint config and the one that follows.
    assert_eq!(release.epoch().await.unwrap(), before + 2);
    release.until_gone(&LEAVING[2..]).await;
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    let of = "--field-selector=involvedObject.name=quorate-replica";
    let reasons = ["get", "events", of, "--output=jsonpath={.items[*].reason}"];
    let reasons = release.kubectl(&reasons).await.unwrap();
    for reason in ["FirstConfigMade", "ChangeBegun", "ChangeFinished"] {
        assert!(reasons.split(' ').any(|it| it == reason), "{reasons}");
    }
    release.delete().await.unwrap();
}

/// A size that was lost, as by a patch that removes the field, counts as one. Nothing follows it, and
/// the replicas that it ends serve on; once the minimum is lowered it is followed.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn below_the_minimum_nothing_stops_and_the_status_says_why() {
    let release = Release::install("below-minimum", &[]).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    release.scale(1).await.unwrap();
    until("the status says why, and two are held", async || {
        let Ok(status) = release.status().await else {
            return false;
        };
        let members = status["members"].as_array().cloned().unwrap_or_default();
        let held = |member: &&Value| member["problem"].to_string().contains("it was told to end");
        let held = members.iter().filter(held).count();
        status["change"]["blocked_reason"] == "below_minimum" && held == 2
    })
    .await;
    assert!(release.has_members(0..3).await);
    release.upgrade(&["replica.minReplicas=1"]).await.unwrap();
    release.until_members(0..1).await;
    release.until_gone(&LEAVING[..2]).await;
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}

/// The config is lost, so that the members cannot be changed: those that are to leave serve on, until
/// their grace period runs out, and operations fail. Nothing else does.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn after_a_grace_that_ran_out_scaling_up_recovers() {
    let settings = [
        "replica.replicas=5",
        "replica.minReplicas=1",
        "replica.terminationGracePeriodSeconds=30",
    ];
    let release = Release::install("grace", &settings).await.unwrap();
    release.until_members(0..5).await;
    release.quorate(&["set", "kept", "value"]).await.unwrap();
    let config = ["delete", "configmap", "quorate-config"];
    release.kubectl(&config).await.unwrap();
    release.scale(1).await.unwrap();
    until("the status names all that are held", async || {
        let status = release.quorate(&["status", "--output", "json"]).await;
        status.is_ok_and(|status| status.matches("it was told to end").count() >= LEAVING.len())
    })
    .await;
    let kept = release.quorate(&["get", "kept"]).await.unwrap();
    assert_eq!(kept.trim(), "value");

    release.until_gone(&LEAVING).await;
    let refused = release.quorate(&["get", "kept"]).await;
    assert!(refused.is_err(), "one of five is no majority: {refused:?}");
    release.scale(5).await.unwrap();
    until("the value is there", async || {
        let found = release.quorate(&["get", "kept"]).await;
        found.is_ok_and(|value| value.trim() == "value")
    })
    .await;
    release.quorate(&["recover"]).await.unwrap();
    release.until_members(0..5).await;
    release.delete().await.unwrap();
}
