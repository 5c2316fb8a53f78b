//! What tests of a store ask the cluster.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use quorate_e2e::Release;

/// The pods of a role, by name.
pub(crate) async fn pods(release: &Release, role: &str) -> Vec<Pod> {
    let pods: Api<Pod> = release.namespace().api();
    let labels = format!("app.kubernetes.io/component={role}");
    let ours = ListParams::default().labels(&labels);
    let mut pods = pods.list(&ours).await.unwrap().items;
    pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    pods
}

/// Where a pod runs.
pub(crate) fn node(pod: &Pod) -> &str {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    node.expect("the pod is scheduled")
}
