//! The cluster's whole state, gone back to what it was before the members changed.

use quorate_e2e::{LIMIT, Release, cluster, until_within};

/// The size is what it was, and so is the config object: it names members of long ago. What the replicas
/// prove is what counts, and the members go to the old size again.
#[tokio::test]
#[ignore = "needs a cluster of its own: scripts/kubernetes-tests"]
async fn a_state_from_before_a_scale_gives_no_wrong_answer_and_heals() {
    let release = Release::install("rolled-back", &[]).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    let snapshot = std::env::temp_dir().join(format!("{}.snapshot", release.namespace().name()));
    let snapshot = snapshot.to_str().unwrap();
    cluster(&["etcd", "save", snapshot]).unwrap();
    release.scale(5).await.unwrap();
    release.until_members(0..5).await;
    release.quorate(&["set", "later", "value"]).await.unwrap();

    cluster(&["etcd", "restore", snapshot]).unwrap();
    std::fs::remove_file(snapshot).unwrap();
    until_within(LIMIT, "what was written later is read", async || {
        let later = release.quorate(&["get", "later"]).await;
        later.is_ok_and(|value| value.trim() == "value")
    })
    .await;
    // It heals by itself, or its status says by which command.
    until_within(LIMIT, "the members are those of the old size", async || {
        let Ok(status) = release.status().await else {
            return false;
        };
        let blocked = status["change"]["blocked"].as_str().unwrap_or_default();
        if blocked.contains("quorate recover") {
            println!("recovering: {blocked}");
            release.quorate(&["recover"]).await.unwrap();
        }
        release.has_members(0..3).await
    })
    .await;
    let later = release.quorate(&["get", "later"]).await.unwrap();
    assert_eq!(later.trim(), "value");
    // Pods that the cluster had forgotten were ended with no regard to the members. Kubelets wait for versions
    // of the future, as other watches do that nobody begins anew, so the load is not ended by the API.
    load.report_of_process().await.unwrap();
    release.delete().await.unwrap();
}
