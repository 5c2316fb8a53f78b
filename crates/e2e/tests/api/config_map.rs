//! The config store in a ConfigMap.

use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};
use quorate_coordinator::kubernetes::ConfigMapStore;
use quorate_coordinator::membership::{ConfigStore, SwapOutcome};
use quorate_e2e::{Fault, Faults, Namespace};
use serde_json::json;

use crate::conformance::{Place, conforms, first};
use crate::support::{Seeded, access, access_over, child, store};

/// One name in a namespace, empty at first.
struct ObjectPlace<'a> {
    namespace: &'a Namespace,
    name: String,
}

impl Place for ObjectPlace<'_> {
    type Store = ConfigMapStore;

    fn store(&self) -> ConfigMapStore {
        let access = access(self.namespace, self.namespace.config());
        ConfigMapStore::new(access, &self.name, [].into())
    }

    async fn delete(&self) {
        let api = self.namespace.api::<ConfigMap>();
        let parameters = DeleteParams::default();
        api.delete(&self.name, &parameters).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn a_config_map_is_a_config_store() {
    let namespace = Namespace::new("config-store").await.unwrap();
    let count = std::sync::atomic::AtomicUsize::new(0);
    conforms(|| ObjectPlace {
        namespace: &namespace,
        name: format!(
            "config-{}",
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
        ),
    })
    .await;
    namespace.delete().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn it_is_safe_from_tools_that_prune_and_keeps_what_people_add() {
    let namespace = Namespace::new("config-metadata").await.unwrap();
    let (store, random) = (
        store(access(&namespace, namespace.config())),
        Seeded::new(1),
    );
    let config = first(&*random);
    store.create(&config).await.unwrap();
    let api = namespace.api::<ConfigMap>();
    let made = api.get("config").await.unwrap();
    let annotations = made.metadata.annotations.unwrap();
    assert_eq!(annotations["helm.sh/resource-policy"], "keep");
    let argo = &annotations["argocd.argoproj.io/sync-options"];
    assert!(argo.contains("Prune=false"), "{argo}");
    assert_eq!(made.metadata.owner_references, None);
    let labels = made.metadata.labels.unwrap();
    assert_eq!(labels["app.kubernetes.io/name"], "quorate");
    let mine = Patch::Merge(json!({"metadata": {"labels": {"team": "shop"}}}));
    let parameters = PatchParams::default();
    api.patch("config", &parameters, &mine).await.unwrap();
    let stored = store.read().await.unwrap().unwrap();
    let swapped = store.swap(&stored.version, &config, true).await.unwrap();
    assert_ne!(swapped, SwapOutcome::Conflict);
    let labels = api.get("config").await.unwrap().metadata.labels.unwrap();
    assert_eq!(labels["team"], "shop");
    namespace.delete().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn an_ambiguous_answer_is_an_error_and_never_tried_again() {
    let namespace = Namespace::new("config-ambiguous").await.unwrap();
    let (faults, random) = (Faults::default(), Seeded::new(1));
    let client = faults.client(namespace.client());
    let store = store(access_over(&namespace, client));
    let config = first(&*random);
    // Made, and nobody knows.
    faults.set(Method::POST, "configmaps", Fault::After(504));
    let error = store.create(&config).await.unwrap_err().to_string();
    assert!(error.contains("cannot create configmaps"), "{error}");
    assert_eq!(faults.met(), 1, "it is not tried again");
    let stored = store.read().await.unwrap().unwrap();
    assert_eq!(stored.config.id(), config.id());
    for (at, fault) in [Fault::After(503), Fault::After(500), Fault::Silence]
        .into_iter()
        .enumerate()
    {
        let stored = store.read().await.unwrap().unwrap();
        let next = child(&stored.config, &*random, |_| ());
        faults.set(Method::PUT, "configmaps", fault);
        let swap = store.swap(&stored.version, &next, false).await;
        assert!(swap.is_err(), "{fault:?}: {swap:?}");
        assert_eq!(faults.met(), at + 2, "it is not tried again");
        faults.clear();
        let found = store.read().await.unwrap().unwrap();
        assert_eq!(found.config.id(), next.id(), "it was done");
    }
    // Throttled: not done, and an error all the same.
    let stored = store.read().await.unwrap().unwrap();
    let next = child(&stored.config, &*random, |_| ());
    faults.set(Method::PUT, "configmaps", Fault::Instead(429));
    assert!(store.swap(&stored.version, &next, false).await.is_err());
    faults.clear();
    let swap = store.swap(&stored.version, &next, false).await.unwrap();
    assert_ne!(swap, SwapOutcome::Conflict);
    namespace.delete().await.unwrap();
}
