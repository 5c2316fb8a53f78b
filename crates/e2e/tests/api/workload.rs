//! What people ask for.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy};
use quorate_coordinator::kubernetes::{ApiAccess, Desired, StatefulSetWorkload, events};
use quorate_coordinator::membership::{News, Workload};
use quorate_e2e::{Namespace, until};
use quorate_runtime::SystemEntropy;
use serde_json::json;

use crate::support::access;

fn follow(access: ApiAccess, minimum: usize) -> StatefulSetWorkload {
    let (queue, publisher) = events(access.clone(), "coordinator-1");
    tokio::spawn(publisher.run());
    let workload = StatefulSetWorkload::new(access, "r", minimum, queue);
    let follows = workload.clone();
    tokio::spawn(async move { follows.follow(Arc::new(SystemEntropy)).await });
    workload
}

/// A StatefulSet whose pods the namespace does not admit, so that none runs.
pub(crate) async fn make(namespace: &Namespace, replicas: usize) {
    let labels = json!({"app": "r"});
    let object: StatefulSet = serde_json::from_value(json!({
        "metadata": {"name": "r"},
        "spec": {
            "replicas": replicas,
            "serviceName": "r",
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"hostNetwork": true, "containers": [{"name": "r", "image": "none"}]},
            },
        },
    }))
    .unwrap();
    let api = namespace.api::<StatefulSet>();
    api.create(&PostParams::default(), &object).await.unwrap();
}

async fn scale(namespace: &Namespace, replicas: usize) {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let api = namespace.api::<StatefulSet>();
    let parameters = PatchParams::default();
    api.patch_scale("r", &parameters, &patch).await.unwrap();
}

async fn wants(workload: &StatefulSetWorkload, expected: Option<usize>) {
    let pods = expected.map(|size| (0..size).map(|n| format!("r-{n}")).collect::<Vec<_>>());
    until(&format!("{expected:?} are wanted"), async || {
        workload.wanted().as_deref() == pods.as_deref()
    })
    .await;
}

async fn notes(namespace: &Namespace) -> Vec<(String, String)> {
    let api = namespace.api::<Event>();
    let listed = api.list(&ListParams::default()).await.unwrap();
    let ours = |event: &Event| {
        event.reporting_controller.as_deref() == Some("quorate.dev/coordinator")
            && event.regarding.as_ref().unwrap().kind.as_deref() == Some("StatefulSet")
    };
    let note = |event: Event| (event.reason.unwrap(), event.note.unwrap());
    listed.items.into_iter().filter(ours).map(note).collect()
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn the_stateful_set_says_what_is_wanted_and_nothing_is_never_none() {
    let namespace = Namespace::new("workload").await.unwrap();
    let workload = follow(access(&namespace, namespace.config()), 2);
    until("the API was asked", async || {
        workload.contact().is_current()
    })
    .await;
    assert_eq!(workload.wanted(), None);
    make(&namespace, 3).await;
    wants(&workload, Some(3)).await;
    scale(&namespace, 5).await;
    wants(&workload, Some(5)).await;
    workload.scale(4).await.unwrap();
    wants(&workload, Some(4)).await;
    // A lost field becomes 1.
    scale(&namespace, 1).await;
    wants(&workload, Some(1)).await;
    let below = Desired::BelowMinimum {
        asked: vec!["r-0".to_owned()],
        minimum: 2,
    };
    assert_eq!(workload.desired(), below);
    until("an Event says so", async || {
        let notes = notes(&namespace).await;
        notes.iter().any(|(reason, note)| {
            reason == "SizeNotAdopted" && note.starts_with("1 replicas are fewer than the minimum")
        })
    })
    .await;
    let refused = workload.scale(1).await.unwrap_err().to_string();
    assert!(refused.contains("minimum of 2"), "{refused}");
    scale(&namespace, 3).await;
    wants(&workload, Some(3)).await;
    let api = namespace.api::<StatefulSet>();
    api.delete("r", &DeleteParams::orphan()).await.unwrap();
    wants(&workload, None).await;
    assert_eq!(workload.desired(), Desired::Unknown);
    namespace.delete().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn a_stateful_set_on_its_way_out_says_nothing() {
    let namespace = Namespace::new("workload-leaving").await.unwrap();
    make(&namespace, 3).await;
    let api = namespace.api::<StatefulSet>();
    let finalizers = |list| Patch::Merge(json!({"metadata": {"finalizers": list}}));
    let parameters = PatchParams::default();
    let hold = finalizers(json!(["quorate.dev/test"]));
    api.patch("r", &parameters, &hold).await.unwrap();
    let workload = follow(access(&namespace, namespace.config()), 1);
    wants(&workload, Some(3)).await;
    let foreground = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Foreground),
        ..DeleteParams::default()
    };
    api.delete("r", &foreground).await.unwrap();
    wants(&workload, None).await;
    assert!(api.get_opt("r").await.unwrap().is_some(), "still there");
    let release = finalizers(json!(null));
    api.patch("r", &parameters, &release).await.unwrap();
    namespace.delete().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn news_become_events_once() {
    let namespace = Namespace::new("events").await.unwrap();
    make(&namespace, 3).await;
    let workload = follow(access(&namespace, namespace.config()), 1);
    wants(&workload, Some(3)).await;
    let news = |message: &str| News {
        reason: "ChangeFinished",
        warning: false,
        message: message.to_owned(),
    };
    for message in ["first", "first", "first", "last"] {
        workload.announce(&news(message));
    }
    let count = async |message: &str| {
        let notes = notes(&namespace).await;
        notes.iter().filter(|(_, note)| note == message).count()
    };
    until("the last is published", async || count("last").await == 1).await;
    assert_eq!(count("first").await, 1);
    namespace.delete().await.unwrap();
}
