//! What people ask for, by `kubectl scale` and `helm upgrade`.

use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use parking_lot::Mutex;
use quorate_register::Entropy;
use serde_json::json;

use super::STATEFUL_SETS;
use super::access::ApiAccess;
use super::desired::Desired;
use super::events::EventQueue;
use super::follow::{Contact, Followed, Sink};
use crate::membership::{News, ScaleRefused, WishUnknown, Workload};

/// Who the API is told has set the size.
const FIELD_MANAGER: &str = "quorate-coordinator";

/// As in a Role.
const SCALE: &str = "statefulsets.apps/scale";

/// The replicas' StatefulSet: `spec.replicas` is what is wanted. Its Events tell people what
/// becomes of it.
#[derive(Clone)]
pub struct StatefulSetWorkload {
    access: ApiAccess,
    name: String,
    minimum: usize,
    desired: Arc<Mutex<Desired>>,
    contact: Contact,
    events: EventQueue,
}

impl StatefulSetWorkload {
    /// The StatefulSet of this name. Sizes below `minimum` are not adopted.
    pub fn new(
        access: ApiAccess,
        name: impl Into<String>,
        minimum: usize,
        events: EventQueue,
    ) -> Self {
        Self {
            access,
            name: name.into(),
            minimum,
            desired: Arc::new(Mutex::new(Desired::Unknown)),
            contact: Contact::default(),
            events,
        }
    }

    /// Whether the API tells what is wanted.
    pub fn contact(&self) -> &Contact {
        &self.contact
    }

    /// What the StatefulSet asked for when it was last seen.
    pub fn desired(&self) -> Desired {
        self.desired.lock().clone()
    }

    /// Follows the StatefulSet for ever.
    pub async fn follow(&self, entropy: Arc<dyn Entropy>) {
        let followed = Followed {
            api: Api::<StatefulSet>::namespaced(self.access.client(), self.access.namespace()),
            resource: STATEFUL_SETS,
            labels: None,
            fields: Some(self.field()),
        };
        let (access, contact) = (self.access.clone(), self.contact.clone());
        followed.run(access, self.clone(), contact, entropy).await;
    }

    /// Selects it among others.
    fn field(&self) -> String {
        format!("metadata.name={}", self.name)
    }

    fn saw(&self, stateful_set: Option<&StatefulSet>) {
        let desired = Desired::of(stateful_set, self.minimum);
        if let Some(stateful_set) = stateful_set {
            self.events.regards(self.reference(stateful_set));
        }
        let before = std::mem::replace(&mut *self.desired.lock(), desired.clone());
        let changed = before != desired;
        if let Desired::BelowMinimum { asked, minimum } = desired
            && changed
        {
            self.announce(&self.too_few(asked.len(), minimum));
        }
    }

    fn too_few(&self, asked: usize, minimum: usize) -> News {
        let command = self.kubectl_scale(minimum);
        News {
            reason: "SizeNotAdopted",
            warning: true,
            message: format!(
                "{asked} replicas are fewer than the minimum of {minimum}, so the members stay \
                 as they are and nothing is lost: scale up with `{command}`, or lower the minimum"
            ),
        }
    }

    fn reference(&self, stateful_set: &StatefulSet) -> ObjectReference {
        ObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: Some("StatefulSet".to_owned()),
            name: Some(self.name.clone()),
            namespace: Some(self.access.namespace().to_owned()),
            uid: stateful_set.metadata.uid.clone(),
            ..ObjectReference::default()
        }
    }

    fn kubectl_scale(&self, size: usize) -> String {
        let (namespace, name) = (self.access.namespace(), &self.name);
        format!("kubectl --namespace {namespace} scale statefulset {name} --replicas={size}")
    }
}

impl Sink<StatefulSet> for StatefulSetWorkload {
    fn replace(&self, stateful_sets: Vec<StatefulSet>) {
        self.saw(stateful_sets.first());
    }

    fn apply(&self, stateful_set: StatefulSet) {
        self.saw(Some(&stateful_set));
    }

    fn delete(&self, _: StatefulSet) {
        self.saw(None);
    }
}

#[async_trait]
impl Workload for StatefulSetWorkload {
    fn wanted(&self) -> Option<Arc<[String]>> {
        // What the StatefulSet asked for a while ago is not what is wanted now.
        if !self.contact.is_current() {
            return None;
        }
        self.desired.lock().pods().map(Into::into)
    }

    async fn wanted_now(&self) -> Result<Option<Arc<[String]>>, WishUnknown> {
        let api = Api::<StatefulSet>::namespaced(self.access.client(), self.access.namespace());
        // Without a version the list comes from etcd. The Role allows it, and needs no more.
        let list = ListParams::default().fields(&self.field());
        let listed = self
            .access
            .call("list", STATEFUL_SETS, api.list(&list))
            .await;
        let listed = listed.map_err(|problem| WishUnknown(problem.to_string()))?;
        let desired = Desired::of(listed.items.first(), self.minimum);
        Ok(desired.pods().map(Into::into))
    }

    async fn scale(&self, size: usize) -> Result<(), ScaleRefused> {
        if size < self.minimum.max(1) {
            return Err(ScaleRefused(format!(
                "{size} replicas are fewer than the minimum of {}, which is a setting",
                self.minimum.max(1)
            )));
        }
        let api = Api::<StatefulSet>::namespaced(self.access.client(), self.access.namespace());
        let patch = Patch::Merge(json!({"spec": {"replicas": size}}));
        // Tools that meet the field in other hands name this.
        let parameters = PatchParams::apply(FIELD_MANAGER);
        let scaling = api.patch_scale(&self.name, &parameters, &patch);
        match self.access.call("patch", SCALE, scaling).await {
            Ok(_) => Ok(()),
            Err(problem) => Err(ScaleRefused(format!(
                "{problem}; run `{}`",
                self.kubectl_scale(size)
            ))),
        }
    }

    fn announce(&self, news: &News) {
        self.events.publish(news);
    }
}
