//! What a coordinator lacks a right for, it names.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use quorate_coordinator::kubernetes::{
    ApiAccess, ConfigMapStore, Elector, KubernetesMetrics, LeaseTimes, StatefulSetWorkload, events,
    review_missing_rights,
};
use quorate_coordinator::membership::{ConfigStore, Workload};
use quorate_e2e::{Namespace, until};
use quorate_runtime::SystemEntropy;
use serde_json::json;

use crate::conformance::first;
use crate::support::Seeded;

fn missing(registry: &Registry) -> Vec<String> {
    let families = registry.gather();
    let named = |family: &&prometheus::proto::MetricFamily| {
        family.name() == "quorate_kubernetes_missing_right"
    };
    let series = families.iter().filter(named).flat_map(|it| it.get_metric());
    series
        .filter(|metric| metric.get_gauge().get_value() == 1.0)
        .map(|metric| {
            let labels = metric.get_label();
            let value = |name: &str| labels.iter().find(|it| it.name() == name).unwrap().value();
            format!("{} {}", value("verb"), value("resource"))
        })
        .collect()
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn missing_rights_name_verb_and_resource() {
    let namespace = Namespace::new("rights").await.unwrap();
    let rules =
        json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create"]}]);
    let config = namespace.with_rights("coordinator", rules).await.unwrap();
    let registry = Registry::new();
    let metrics = KubernetesMetrics::new(&registry).unwrap();
    let name = namespace.name().to_owned();
    let access = ApiAccess::new(config, Some(name.clone()), metrics).unwrap();
    let store = ConfigMapStore::new(access.clone(), "config", [].into());
    let random = Seeded::new(1);
    let config = first(&*random);
    // The rights take a moment to be known.
    until("it may read", async || store.read().await.is_ok()).await;
    store.create(&config).await.unwrap();
    let stored = store.read().await.unwrap().unwrap();
    let error = store.swap(&stored.version, &config, true).await;
    let error = error.unwrap_err().to_string();
    let sentence = format!(
        "ConfigMap config: the service account has no right to update configmaps in namespace {name}"
    );
    assert!(error.starts_with(&sentence), "{error}");
    let (queue, _publisher) = events(access.clone(), "coordinator-1");
    let workload = StatefulSetWorkload::new(access.clone(), "r", 1, queue);
    let every = Duration::from_millis(100);
    tokio::spawn(review_missing_rights(access.clone(), every));
    let refused = workload.scale(3).await.unwrap_err().to_string();
    assert!(
        refused.contains("no right to patch statefulsets.apps/scale"),
        "{refused}"
    );
    let command = format!("kubectl --namespace {name} scale statefulset r --replicas=3");
    assert!(refused.contains(&command), "{refused}");
    let entropy = Arc::new(SystemEntropy);
    tokio::spawn(async move { workload.follow(entropy).await });
    let times = LeaseTimes {
        renewal: Duration::from_millis(100),
        ..LeaseTimes::default()
    };
    let (elector, leadership) = Elector::new(access, "lease", "me", times, Arc::new(SystemEntropy));
    tokio::spawn(elector.run());
    until("metrics name what is missing", async || {
        let missing = missing(&registry);
        [
            "update configmaps",
            "patch statefulsets.apps/scale",
            "list statefulsets.apps",
            "get leases.coordination.k8s.io",
        ]
        .iter()
        .all(|right| missing.iter().any(|it| it == right))
    })
    .await;
    assert!(!leadership.is_leader());
    // What is granted is no longer missing, though nobody tries to scale again.
    let scale = json!([
        {"apiGroups": ["apps"], "resources": ["statefulsets/scale"], "verbs": ["patch"]}
    ]);
    namespace
        .grant("coordinator", "scaling", scale)
        .await
        .unwrap();
    until("a right that was granted is not missing", async || {
        let missing = missing(&registry);
        !missing
            .iter()
            .any(|it| it == "patch statefulsets.apps/scale")
    })
    .await;
    let still = missing(&registry);
    assert!(
        still.iter().any(|it| it == "update configmaps"),
        "{still:?}"
    );
    namespace.delete().await.unwrap();
}
