//! Which volume a replica's disk lies on.

use async_trait::async_trait;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::Api;

use super::access::{Answer, ApiAccess};
use crate::membership::Volumes;

/// As in a Role.
const CLAIMS: &str = "persistentvolumeclaims";

/// The claims that a StatefulSet makes of one template: `TEMPLATE-POD`. A claim that was
/// deleted and made again has another UID, and so has one that another volume was restored into.
pub struct ClaimVolumes {
    access: ApiAccess,
    template: String,
}

impl ClaimVolumes {
    /// The claims of the template of this name.
    pub fn new(access: ApiAccess, template: impl Into<String>) -> Self {
        let template = template.into();
        Self { access, template }
    }
}

#[async_trait]
impl Volumes for ClaimVolumes {
    async fn volume(&self, pod: &str) -> Result<Option<String>, String> {
        let (client, namespace) = (self.access.client(), self.access.namespace());
        let api = Api::<PersistentVolumeClaim>::namespaced(client, namespace);
        let name = format!("{}-{pod}", self.template);
        match self.access.call("get", CLAIMS, api.get(&name)).await {
            Ok(claim) => Ok(claim.metadata.uid),
            // The disk is not kept: `emptyDir`, which nobody can copy either.
            Err(problem) if problem.answer == Answer::NotFound => Ok(None),
            Err(problem) => Err(problem.to_string()),
        }
    }
}
