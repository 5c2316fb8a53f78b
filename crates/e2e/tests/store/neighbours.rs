//! Two releases in one namespace.

use quorate_e2e::Release;

/// They have keys, members and sizes of their own, and what is done to one is not seen by the other.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn two_releases_in_one_namespace_do_not_see_each_other() {
    let first = Release::install("neighbours", &[]).await.unwrap();
    let second = first.install_beside("quorate-two").await.unwrap();
    first.until_members(0..3).await;
    second.until_members(0..3).await;
    let id = async |release: &Release| release.status().await.unwrap()["cluster_id"].clone();
    assert!(id(&first).await.is_string());
    assert_ne!(id(&first).await, id(&second).await);
    for (release, value) in [(&first, "one"), (&second, "two")] {
        release.quorate(&["set", "key", value]).await.unwrap();
    }
    let epoch = first.epoch().await.unwrap();
    let loads = [first.load().await.unwrap(), second.load().await.unwrap()];
    second.scale(5).await.unwrap();
    second.until_members(0..5).await;
    let pod = ["delete", "pod", "quorate-two-replica-0"];
    first.kubectl(&pod).await.unwrap();
    second.until_members(0..5).await;
    assert!(first.has_members(0..3).await);
    assert_eq!(first.epoch().await.unwrap(), epoch);
    for (release, value) in [(&first, "one"), (&second, "two")] {
        let found = release.quorate(&["get", "key"]).await.unwrap();
        assert_eq!(found.trim(), value);
    }
    for load in loads {
        let report = load.report().await.unwrap();
        report.assert_nothing_failed();
    }
    drop(second);
    first.delete().await.unwrap();
}
