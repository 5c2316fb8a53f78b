//! Upgrades, and what people do when one fails.

use k8s_openapi::api::core::v1::{Container, Pod};
use kube::Api;
use kube::api::ListParams;
use quorate_e2e::{LIMIT, Release, WAIT, until_within};

/// While it goes on, both roles run in two versions. Then it is taken back, and the size with it.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn size_and_image_change_in_one_upgrade_and_back_and_no_operation_fails() {
    let release = Release::install("next", &[]).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    let before = images(&release).await;
    assert_eq!(before.len(), 2, "one of each role: {before:?}");
    let settings = ["replica.replicas=5"];
    release.upgrade_images(&settings).await.unwrap();
    release.until_members(0..5).await;
    let after = images(&release).await;
    assert!(
        after.iter().all(|image| !before.contains(image)),
        "{after:?}"
    );
    release.roll_back("1", WAIT).await.unwrap();
    release.until_members(0..3).await;
    let gone = ["quorate-replica-3", "quorate-replica-4"];
    release.until_gone(&gone).await;
    assert_eq!(images(&release).await, before);
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}

/// Replicas of another program than theirs: the first that is replaced never becomes ready, so no other is
/// touched.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn an_image_that_crashes_stops_at_one_replica_and_a_rollback_heals_it() {
    let release = Release::install("crashing", &[]).await.unwrap();
    release.until_members(0..3).await;
    let load = release.load().await.unwrap();
    let before = images(&release).await;
    let settings = ["replica.image.repository=quorate/quorate-coordinator"];
    release.upgrade_with(&settings, &[]).await.unwrap();
    until_within(LIMIT, "the last replica crashed twice", async || {
        restarts(&release, "quorate-replica-2").await >= 2
    })
    .await;
    for pod in ["quorate-replica-0", "quorate-replica-1"] {
        assert_eq!(restarts(&release, pod).await, 0, "{pod}");
        let pods: Api<Pod> = release.namespace().api();
        let image = &containers(pods.get(pod).await.unwrap())[0].image;
        let image = image.as_ref().unwrap();
        assert!(before.contains(image), "{pod} has {image}");
    }
    // Helm's own wait may meet the pod that crashes before it is replaced, and give up at once.
    release.roll_back("1", &[]).await.unwrap();
    release.until_members(0..3).await;
    assert_eq!(images(&release).await, before);
    let report = load.report().await.unwrap();
    report.assert_nothing_failed();
    release.delete().await.unwrap();
}

/// Volumes and config stay, and the same name finds them.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn an_uninstall_keeps_the_data_for_the_next_install() {
    let release = Release::install("reinstall", &[]).await.unwrap();
    release.until_members(0..3).await;
    release.quorate(&["set", "kept", "value"]).await.unwrap();
    let cluster = release.status().await.unwrap()["cluster_id"].clone();
    let load = release.load().await.unwrap();
    release.uninstall().await.unwrap();
    release.install_again(&[]).await.unwrap();
    release.until_members(0..3).await;
    let kept = release.quorate(&["get", "kept"]).await.unwrap();
    assert_eq!(kept.trim(), "value");
    assert_eq!(release.status().await.unwrap()["cluster_id"], cluster);
    // While there is no pod, operations fail.
    load.report().await.unwrap();
    release.delete().await.unwrap();
}

/// The images of the pods of both roles, each once, in order.
async fn images(release: &Release) -> Vec<String> {
    let pods: Api<Pod> = release.namespace().api();
    let ours = ListParams::default().labels("app.kubernetes.io/instance=quorate");
    let pods = pods.list(&ours).await.unwrap().items;
    let ends = |pod: &Pod| pod.metadata.deletion_timestamp.is_some();
    let pods = pods.into_iter().filter(|pod| !ends(pod));
    let containers = pods.flat_map(containers);
    let mut images: Vec<_> = containers.filter_map(|it| it.image).collect();
    images.sort_unstable();
    images.dedup();
    images
}

fn containers(pod: Pod) -> Vec<Container> {
    pod.spec.map(|spec| spec.containers).unwrap_or_default()
}

/// How often a pod's container was started again.
async fn restarts(release: &Release, pod: &str) -> i32 {
    let pods: Api<Pod> = release.namespace().api();
    let Ok(pod) = pods.get(pod).await else {
        return 0;
    };
    let statuses = pod.status.and_then(|status| status.container_statuses);
    let counts = statuses.iter().flatten().map(|it| it.restart_count);
    counts.sum()
}
