//! The agreed config in a ConfigMap.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use parking_lot::Mutex;
use quorate_register::Config;

use super::access::{Answer, ApiAccess, ApiProblem};
use crate::membership::{
    ConfigDocument, ConfigStore, ConfigStoreError, StoreVersion, StoredConfig, SwapOutcome,
};

/// As in a Role.
const CONFIG_MAPS: &str = "configmaps";
/// Where in the ConfigMap the document is.
const KEY: &str = "config.json";

/// One ConfigMap, made when the first config is, which changes only by PUT with the uid and the
/// resourceVersion that were read with the version acted on (PROTOCOL 3). It has no owner: it
/// outlives the release, and tools that apply manifests are told to let it be.
pub struct ConfigMapStore {
    access: ApiAccess,
    api: Api<ConfigMap>,
    name: String,
    labels: BTreeMap<String, String>,
    /// What people added to the object's metadata when it was last read, which a PUT keeps.
    last_read: Mutex<Option<(StoreVersion, ObjectMeta)>>,
}

impl ConfigMapStore {
    /// The store in the ConfigMap of this name; it gets `labels` when it is made.
    pub fn new(
        access: ApiAccess,
        name: impl Into<String>,
        labels: BTreeMap<String, String>,
    ) -> Self {
        let api = Api::namespaced(access.client(), access.namespace());
        Self {
            access,
            api,
            name: name.into(),
            labels,
            last_read: Mutex::default(),
        }
    }

    fn object(&self, metadata: ObjectMeta, document: &ConfigDocument) -> ConfigMap {
        let json = String::from_utf8(document.to_json()).expect("JSON is UTF-8");
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..metadata
            },
            data: Some([(KEY.to_owned(), json)].into()),
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

    fn error(&self, problem: impl std::fmt::Display) -> ConfigStoreError {
        ConfigStoreError {
            problem: format!("ConfigMap {}: {problem}", self.name),
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
                metrics.swap_ended("config", "swapped");
                Ok(SwapOutcome::Swapped(version.opaque()))
            }
            // It is another one now, or none: a PUT never makes one.
            Err(problem) if matches!(problem.answer, Answer::Conflict | Answer::NotFound) => {
                metrics.swap_ended("config", "conflict");
                Ok(SwapOutcome::Conflict)
            }
            Err(problem) => {
                metrics.swap_ended("config", "failed");
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

#[async_trait]
impl ConfigStore for ConfigMapStore {
    async fn read(&self) -> Result<Option<StoredConfig>, ConfigStoreError> {
        // Without a resourceVersion the answer comes from a quorum of etcd and not from a cache.
        let read = self.api.get(&self.name);
        let object = match self.access.call("get", CONFIG_MAPS, read).await {
            Ok(object) => object,
            Err(problem) if problem.answer == Answer::NotFound => return Ok(None),
            Err(problem) => return Err(self.error(problem)),
        };
        let text = object.data.as_ref().and_then(|data| data.get(KEY));
        let text = text.ok_or_else(|| self.error(format!("it has no {KEY}")))?;
        let document = ConfigDocument::parse(text.as_bytes()).map_err(|error| self.error(error))?;
        let config = document.config().map_err(|error| self.error(error))?;
        let version = Version::of(&object.metadata, document.sequence);
        let version = version.ok_or_else(|| self.error(NO_VERSION))?.opaque();
        *self.last_read.lock() = Some((version.clone(), object.metadata));
        Ok(Some(StoredConfig {
            config: Arc::new(config),
            active: document.active,
            version,
        }))
    }

    async fn create(&self, config: &Config) -> Result<SwapOutcome, ConfigStoreError> {
        let document = ConfigDocument::new(config, false, 1);
        let object = self.object(self.new_metadata(), &document);
        let parameters = PostParams::default();
        let create = self.api.create(&parameters, &object);
        let created = self.access.call("create", CONFIG_MAPS, create).await;
        if let Err(problem) = &created
            && problem.answer == Answer::NotFound
        {
            // It is the namespace that is missing.
            return Err(self.error(problem));
        }
        self.ended(created, document.sequence)
    }

    async fn swap(
        &self,
        version: &StoreVersion,
        config: &Config,
        active: bool,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        let Some(expected) = Version::parse(version) else {
            return Ok(SwapOutcome::Conflict);
        };
        let document = ConfigDocument::new(config, active, expected.sequence + 1);
        let metadata = ObjectMeta {
            uid: Some(expected.uid),
            resource_version: Some(expected.resource_version),
            ..self.kept_metadata(version)
        };
        let object = self.object(metadata, &document);
        assert!(
            object.metadata.resource_version.is_some() && object.metadata.uid.is_some(),
            "a PUT without a version overwrites blindly"
        );
        let parameters = PostParams::default();
        let replace = self.api.replace(&self.name, &parameters, &object);
        let replaced = self.access.call("update", CONFIG_MAPS, replace).await;
        self.ended(replaced, document.sequence)
    }
}

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
