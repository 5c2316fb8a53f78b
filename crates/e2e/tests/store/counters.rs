//! Boot counters that are older than the disks, as after a cluster's state went back.

use quorate_e2e::{Release, until};
use serde_json::{Value, json};

const BOOTS: &str = "configmap/quorate-boots";
const REPLICAS: &str = "statefulset/quorate-replica";
const COORDINATORS: &str = "deployment/quorate";

/// Nobody can tell by such counters which disks are old copies. So nothing is served, and the status
/// has the command by which a person says that these are the disks.
#[tokio::test]
#[ignore = "needs a cluster"]
async fn counters_that_went_back_stop_everything_until_a_person_accepts_the_disks() {
    let release = Release::install("old-counters", &[]).await.unwrap();
    release.until_members(0..3).await;
    let counters = release.kubectl(&["get", BOOTS, "--output=json"]).await;
    let counters: Value = serde_json::from_str(&counters.unwrap()).unwrap();
    for arguments in [
        &["rollout", "restart", REPLICAS][..],
        &["rollout", "status", REPLICAS, "--timeout=120s"],
    ] {
        release.kubectl(arguments).await.unwrap();
    }
    release.until_members(0..3).await;
    release.quorate(&["set", "kept", "value"]).await.unwrap();

    // Coordinators would count what serves.
    let away = ["scale", COORDINATORS, "--replicas=0"];
    release.kubectl(&away).await.unwrap();
    let gone = ["wait", "pod", "--for=delete", "--timeout=60s"];
    let selector = "--selector=app.kubernetes.io/component=coordinator";
    release
        .kubectl(&[&gone[..], &[selector]].concat())
        .await
        .unwrap();
    let before = json!({"data": counters["data"]}).to_string();
    let patch = ["patch", BOOTS, "--type=merge", "--patch", &before];
    release.kubectl(&patch).await.unwrap();
    let replicas = "--selector=app.kubernetes.io/component=replica";
    release.kubectl(&["delete", "pod", replicas]).await.unwrap();
    let back = ["scale", COORDINATORS, "--replicas=2"];
    release.kubectl(&back).await.unwrap();

    let accept = "--accept-restored-disks";
    let pods = "quorate-replica-0,quorate-replica-1,quorate-replica-2";
    let command = format!("quorate recover {accept} {pods}");
    until("the status names the command", async || {
        let status = release.status().await;
        status.is_ok_and(|status| status["change"]["blocked"].to_string().contains(&command))
    })
    .await;
    let event = [
        "get",
        "events",
        "--field-selector=reason=ChangeBlocked",
        "--output=json",
    ];
    until("so does an Event", async || {
        let events = release.kubectl(&event).await;
        events.is_ok_and(|events| events.contains(accept))
    })
    .await;
    let refused = release.quorate(&["recover"]).await.unwrap_err();
    assert!(format!("{refused:#}").contains(&command), "{refused:#}");
    release.quorate(&["recover", accept, pods]).await.unwrap();
    until("the value is there", async || {
        let kept = release.quorate(&["get", "kept"]).await;
        kept.is_ok_and(|value| value.trim() == "value")
    })
    .await;
    release.delete().await.unwrap();
}
