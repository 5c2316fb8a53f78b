//! Rights that were refused, and may have been granted since.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Api;
use kube::api::PostParams;
use tokio::time::{sleep, timeout};

use super::ApiAccess;

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks the API again and again, so `often`, for each right that is missing whether it is granted by
/// now: what needs it may be done only now and then, and the alarm would go on until then.
pub async fn review_missing_rights(access: ApiAccess, often: Duration) {
    loop {
        sleep(often).await;
        for (verb, resource) in access.metrics().missing_rights() {
            match timeout(LIMIT, is_granted(&access, verb, resource)).await {
                Ok(Ok(true)) => access.metrics().granted(verb, resource),
                Ok(Ok(false)) | Err(_) => {}
                // Everybody who is known to the API may ask, unless somebody took care that not.
                Ok(Err(error)) => tracing::debug!(%error, "rights are not known"),
            }
        }
    }
}

async fn is_granted(access: &ApiAccess, verb: &str, resource: &str) -> kube::Result<bool> {
    let api: Api<SelfSubjectAccessReview> = Api::all(access.client());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes(access.namespace(), verb, resource)),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let review = api.create(&PostParams::default(), &review).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

/// Of a resource as in a Role: `statefulsets.apps/scale`.
fn attributes(namespace: &str, verb: &str, resource: &str) -> ResourceAttributes {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (resource, None),
    };
    let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
    ResourceAttributes {
        namespace: Some(namespace.to_owned()),
        verb: Some(verb.to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        ..ResourceAttributes::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_named_as_in_a_role() {
        for (named, group, resource, subresource) in [
            ("configmaps", "", "configmaps", None),
            (
                "leases.coordination.k8s.io",
                "coordination.k8s.io",
                "leases",
                None,
            ),
            (
                "statefulsets.apps/scale",
                "apps",
                "statefulsets",
                Some("scale"),
            ),
        ] {
            let attributes = attributes("shop", "get", named);
            assert_eq!(attributes.group.as_deref(), Some(group));
            assert_eq!(attributes.resource.as_deref(), Some(resource));
            assert_eq!(attributes.subresource.as_deref(), subresource);
        }
    }
}
