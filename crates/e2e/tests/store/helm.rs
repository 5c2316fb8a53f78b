//! Helm and `kubectl scale` change the same size: neither shrinks the set in silence.

use quorate_e2e::{Release, until};

/// What Helm is told, beside the settings.
const ON_THE_SERVER: &[&str] = &["--server-side=true"];
const ON_THE_CLIENT: &[&str] = &["--server-side=false"];
const FORCED: &[&str] = &["--server-side=true", "--force-conflicts"];

/// The size that is wanted now.
async fn size(release: &Release) -> String {
    let path = "jsonpath={.spec.replicas}";
    let get = ["get", "statefulset/quorate-replica", "--output", path];
    release.kubectl(&get).await.unwrap()
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn kubectl_scale_before_helm_is_kept_or_the_refusal_names_the_field() {
    let release = Release::install("scale-first", &[]).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    release.scale(5).await.unwrap();
    release.until_members(0..5).await;
    for flags in [ON_THE_SERVER, ON_THE_CLIENT, FORCED] {
        let other = ["coordinator.annotations.again=yes"];
        release.upgrade_with(&other, flags).await.unwrap();
        assert_eq!(size(&release).await, "5", "{flags:?}");
    }
    // A rollback applies what was stored: on the server's side it is refused.
    let refused = release.roll_back("1", ON_THE_SERVER).await.unwrap_err();
    assert!(
        refused.to_string().contains(".spec.replicas"),
        "{refused:#}"
    );
    assert_eq!(size(&release).await, "5");
    assert!(release.has_members(0..5).await);
    // On the client's side the size of that revision comes back, as operations.md says.
    release.roll_back("1", ON_THE_CLIENT).await.unwrap();
    assert_eq!(size(&release).await, "3");
    release.until_members(0..3).await;
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_size_by_helm_before_kubectl_scale_is_followed_and_forced_only_when_told() {
    let release = Release::install("helm-first", &[]).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    let five = ["replica.replicas=5"];
    release.upgrade(&five).await.unwrap();
    release.until_members(0..5).await;
    release.scale(3).await.unwrap();
    release.until_members(0..3).await;
    // The value did not change since, so the size stays.
    release.upgrade_with(&five, ON_THE_SERVER).await.unwrap();
    assert_eq!(size(&release).await, "3");
    // A changed value meets what kubectl set.
    let four = ["replica.replicas=4"];
    let refused = release.upgrade_with(&four, ON_THE_SERVER).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains(".spec.replicas"), "{refused}");
    assert_eq!(size(&release).await, "3");
    release.upgrade_with(&four, FORCED).await.unwrap();
    assert_eq!(size(&release).await, "4");
    release.until_members(0..4).await;
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}

/// Size zero stops the store and loses nothing.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn scaled_to_zero_an_event_says_so_and_the_data_comes_back() {
    let release = Release::install("zero", &[]).await.unwrap();
    release.until_members(0..3).await;
    release.quorate(&["set", "kept", "value"]).await.unwrap();
    let load = release.load().await.unwrap();
    release.scale(0).await.unwrap();
    let pods = [
        "quorate-replica-0",
        "quorate-replica-1",
        "quorate-replica-2",
    ];
    release.until_gone(&pods).await;
    until("an event says that the size is not adopted", async || {
        let reason = "--field-selector=reason=SizeNotAdopted";
        let get = ["get", "events", reason, "--output", "name"];
        let events = release.kubectl(&get).await;
        events.is_ok_and(|events| !events.is_empty())
    })
    .await;
    until("the status says so too", async || {
        let status = release.status().await;
        status.is_ok_and(|status| status["change"]["blocked_reason"] == "scaled_to_zero")
    })
    .await;
    let refused = release.quorate(&["get", "kept"]).await;
    assert!(refused.is_err(), "there is no replica: {refused:?}");
    release.scale(3).await.unwrap();
    release.until_members(0..3).await;
    let kept = release.quorate(&["get", "kept"]).await.unwrap();
    assert_eq!(kept.trim(), "value");
    load.report().await.unwrap();
    release.delete().await.unwrap();
}
