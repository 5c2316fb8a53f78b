//! What these tests share.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::{Client, Config};
use prometheus::Registry;
use quorate_coordinator::kubernetes::{ApiAccess, ConfigMapStore, KubernetesMetrics};
use quorate_e2e::Namespace;
use quorate_register::{Config as Members, ConfigId, ConfigParts, Entropy, Epoch};

#[path = "../../../coordinator/tests/support/random.rs"]
#[allow(dead_code, reason = "the coordinator's tests use more of it")]
mod random;

pub(crate) use random::Seeded;

/// A child of `parent`: its epoch, lineage and activators, with changes.
pub(crate) fn child(
    parent: &Members,
    entropy: &dyn Entropy,
    change: impl FnOnce(&mut ConfigParts),
) -> Arc<Members> {
    let mut parts = parent.parts().clone();
    parts.ancestors.insert(0, parent.id());
    parts.id = ConfigId::random(entropy);
    parts.epoch = Epoch {
        number: parent.epoch().number + 1,
        ..parent.epoch()
    };
    parts.activators = parent.parts().current.clone();
    change(&mut parts);
    Arc::new(Members::new(parts).expect("a valid config"))
}

/// Fresh metrics, and their registry.
pub(crate) fn metrics() -> (KubernetesMetrics, Registry) {
    let registry = Registry::new();
    (KubernetesMetrics::new(&registry).unwrap(), registry)
}

/// The access that `config` grants to the namespace.
pub(crate) fn access(namespace: &Namespace, config: Config) -> ApiAccess {
    let name = Some(namespace.name().to_owned());
    ApiAccess::new(config, name, metrics().0).unwrap()
}

/// The access through this client.
pub(crate) fn access_over(namespace: &Namespace, client: Client) -> ApiAccess {
    ApiAccess::over(client, namespace.name().to_owned(), metrics().0)
}

/// The config store in the ConfigMap `config`.
pub(crate) fn store(access: ApiAccess) -> ConfigMapStore {
    let labels = [("app.kubernetes.io/name".to_owned(), "quorate".to_owned())];
    ConfigMapStore::new(access, "config", BTreeMap::from(labels))
}
