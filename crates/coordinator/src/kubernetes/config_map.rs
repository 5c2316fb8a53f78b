//! A document in a ConfigMap that changes by compare-and-swap.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use parking_lot::Mutex;

use super::access::{Answer, ApiAccess, ApiProblem};
use crate::membership::{ConfigStoreError, StoreVersion, SwapOutcome};

/// As in a Role.
const CONFIG_MAPS: &str = "configmaps";

/// One ConfigMap, made at run time, which changes only by PUT with the uid and the
/// resourceVersion that were read with the version acted on (PROTOCOL 3). It has no owner: it
/// outlives the release, and tools that apply manifests are told to let it be.
pub(super) struct DocumentMap {
    access: ApiAccess,
    api: Api<ConfigMap>,
    name: String,
    labels: BTreeMap<String, String>,
    /// Where in the ConfigMap the document is.
    key: &'static str,
    /// What it is called in metrics.
    object: &'static str,
    /// What people added to the object's metadata when it was last read, which a PUT keeps.
    last_read: Mutex<Option<(StoreVersion, ObjectMeta)>>,
}

impl DocumentMap {
    pub(super) fn new(
        access: ApiAccess,
        name: String,
        labels: BTreeMap<String, String>,
        key: &'static str,
        object: &'static str,
    ) -> Self {
        let api = Api::namespaced(access.client(), access.namespace());
        Self {
            access,
            api,
            name,
            labels,
            key,
            object,
            last_read: Mutex::default(),
        }
    }

    /// The document's bytes, and the object's metadata for [`version`](Self::version).
    pub(super) async fn read(&self) -> Result<Option<(String, ObjectMeta)>, ConfigStoreError> {
        // Without a resourceVersion the answer comes from a quorum of etcd and not from a cache.
        let read = self.api.get(&self.name);
        let object = match self.access.call("get", CONFIG_MAPS, read).await {
            Ok(object) => object,
            Err(problem) if problem.answer == Answer::NotFound => return Ok(None),
            Err(problem) => return Err(self.error(problem)),
        };
        let text = object.data.and_then(|mut data| data.remove(self.key));
        let text = text.ok_or_else(|| self.error(format!("it has no {}", self.key)))?;
        Ok(Some((text, object.metadata)))
    }

    /// The version of what was read, whose document has this `sequence`.
    pub(super) fn version(
        &self,
        metadata: ObjectMeta,
        sequence: u64,
    ) -> Result<StoreVersion, ConfigStoreError> {
        let version = Version::of(&metadata, sequence);
        let version = version.ok_or_else(|| self.error(NO_VERSION))?.opaque();
        *self.last_read.lock() = Some((version.clone(), metadata));
        Ok(version)
    }

    /// Makes the object, with a document of sequence 1.
    pub(super) async fn create(&self, document: Vec<u8>) -> Result<SwapOutcome, ConfigStoreError> {
        let object = self.object(self.new_metadata(), document);
        let parameters = PostParams::default();
        let create = self.api.create(&parameters, &object);
        let created = self.access.call("create", CONFIG_MAPS, create).await;
        match created {
            // It is the namespace that is missing.
            Err(problem) if problem.answer == Answer::NotFound => Err(self.error(problem)),
            created => self.ended(created, 1),
        }
    }

    /// Replaces exactly this version by the document of the sequence that `next` is told.
    pub(super) async fn swap(
        &self,
        version: &StoreVersion,
        next: impl FnOnce(u64) -> Vec<u8>,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        let Some(expected) = Version::parse(version) else {
            return Ok(SwapOutcome::Conflict);
        };
        let sequence = expected.sequence + 1;
        let metadata = ObjectMeta {
            uid: Some(expected.uid),
            resource_version: Some(expected.resource_version),
            ..self.kept_metadata(version)
        };
        let object = self.object(metadata, next(sequence));
        assert!(
            object.metadata.resource_version.is_some() && object.metadata.uid.is_some(),
            "a PUT without a version overwrites blindly"
        );
        let parameters = PostParams::default();
        let replace = self.api.replace(&self.name, &parameters, &object);
        let replaced = self.access.call("update", CONFIG_MAPS, replace).await;
        self.ended(replaced, sequence)
    }

    pub(super) fn error(&self, problem: impl std::fmt::Display) -> ConfigStoreError {
        ConfigStoreError {
            problem: format!("ConfigMap {}: {problem}", self.name),
        }
    }

    fn object(&self, metadata: ObjectMeta, document: Vec<u8>) -> ConfigMap {
        let json = String::from_utf8(document).expect("JSON is UTF-8");
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..metadata
            },
            data: Some([(self.key.to_owned(), json)].into()),
            ..ConfigMap::default()
        }
    }

    fn new_metadata(&self) -> ObjectMeta {
        let annotations = UNTOUCHED.map(|(name, value)| (name.to_owned(), value.to_owned()));
        ObjectMeta {
            labels: Some(self.labels.clone()),
            annotations: Some(annotations.into()),
            ..ObjectMeta::default()
        }
    }

    /// The metadata that the object is to keep when exactly this version of it is replaced.
    fn kept_metadata(&self, version: &StoreVersion) -> ObjectMeta {
        let last_read = self.last_read.lock();
        match &*last_read {
            Some((read, metadata)) if read == version => ObjectMeta {
                labels: metadata.labels.clone(),
                annotations: metadata.annotations.clone(),
                finalizers: metadata.finalizers.clone(),
                ..ObjectMeta::default()
            },
            _ => self.new_metadata(),
        }
    }

    fn ended(
        &self,
        result: Result<ConfigMap, ApiProblem>,
        sequence: u64,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        let metrics = self.access.metrics();
        match result {
            Ok(object) => {
                let version = Version::of(&object.metadata, sequence);
                let version = version.ok_or_else(|| self.error(NO_VERSION))?;
                metrics.swap_ended(self.object, "swapped");
                Ok(SwapOutcome::Swapped(version.opaque()))
            }
            // It is another one now, or none: a PUT never makes one.
            Err(problem) if matches!(problem.answer, Answer::Conflict | Answer::NotFound) => {
                metrics.swap_ended(self.object, "conflict");
                Ok(SwapOutcome::Conflict)
            }
            Err(problem) => {
                metrics.swap_ended(self.object, "failed");
                Err(self.error(problem))
            }
        }
    }
}

/// Argo CD, Flux and Helm leave an object with these alone.
const UNTOUCHED: [(&str, &str); 4] = [
    (
        "argocd.argoproj.io/sync-options",
        "Prune=false,Delete=false",
    ),
    ("argocd.argoproj.io/compare-options", "IgnoreExtraneous"),
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
    ("helm.sh/resource-policy", "keep"),
];

const NO_VERSION: &str = "the API server answered without uid and resourceVersion";

/// What tells one version of the object from all others. The sequence makes each content
/// another one: the API server gives no new resourceVersion to a PUT that changes nothing.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    uid: String,
    resource_version: String,
    sequence: u64,
}

impl Version {
    fn of(metadata: &ObjectMeta, sequence: u64) -> Option<Self> {
        let version = Self {
            uid: metadata.uid.clone()?,
            resource_version: metadata.resource_version.clone()?,
            sequence,
        };
        (!version.uid.is_empty() && !version.resource_version.is_empty()).then_some(version)
    }

    fn opaque(&self) -> StoreVersion {
        let (uid, resource_version, sequence) = (&self.uid, &self.resource_version, self.sequence);
        StoreVersion(format!("{uid}/{resource_version}/{sequence}"))
    }

    fn parse(version: &StoreVersion) -> Option<Self> {
        let mut parts = version.0.split('/');
        let mut part = || parts.next().filter(|part| !part.is_empty());
        let (uid, resource_version, sequence) = (part()?, part()?, part()?);
        Some(Self {
            uid: uid.to_owned(),
            resource_version: resource_version.to_owned(),
            sequence: sequence.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_complete_or_none() {
        let version = Version {
            uid: "a-b".to_owned(),
            resource_version: "17".to_owned(),
            sequence: 3,
        };
        assert_eq!(Version::parse(&version.opaque()), Some(version));
        for text in ["", "a-b", "a-b/17", "a-b//3", "/17/3", "a-b/17/x"] {
            assert_eq!(Version::parse(&StoreVersion(text.into())), None, "{text}");
        }
        assert_eq!(Version::of(&ObjectMeta::default(), 1), None);
    }
}
