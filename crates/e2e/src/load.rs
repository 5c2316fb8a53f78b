//! Clients of a store in the cluster, whose history is recorded and checked.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::Api;
use kube::api::{DeleteParams, LogParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::{PodProcess, Release, until_within};

/// How long a load may take to start, and later to check its history and to end.
const LIMIT: Duration = Duration::from_secs(180);

/// How long its clients ask, unless they are told to end, as they are.
const AT_MOST: &str = "1h";

/// `quorate verify` in a pod: it records what its clients asked and were answered, and checks that
/// for linearizability.
pub struct Load<'a> {
    release: &'a Release,
    pod: String,
}

/// What the clients saw.
#[derive(Debug)]
pub struct Report {
    /// How many operations were done.
    pub ok: u64,
    /// How many certainly were not.
    pub failed: u64,
    /// How many have no known outcome.
    pub unknown: u64,
    /// All that it printed.
    pub text: String,
}

impl<'a> Load<'a> {
    /// Begins it, and waits until its pod runs.
    pub(crate) async fn begin(
        release: &'a Release,
        away_from: Option<&str>,
    ) -> anyhow::Result<Self> {
        let name = release.name();
        let deployment: Deployment = release.namespace().api().get(name).await?;
        let deployment = serde_json::to_value(deployment)?;
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let endpoint = format!("{name}:7400");
        let elsewhere = match away_from {
            None => Value::Null,
            Some(node) => {
                json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchFields": [{
                        "key": "metadata.name", "operator": "NotIn", "values": [node],
                    }]}],
                }}})
            }
        };
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"generateName": "load-"},
            "spec": {
                "restartPolicy": "Never",
                // For those that are in flight, and for the check of the history.
                "terminationGracePeriodSeconds": LIMIT.as_secs(),
                "affinity": elsewhere,
                "automountServiceAccountToken": false,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [{
                    "name": "verify",
                    "image": container["image"],
                    "imagePullPolicy": container["imagePullPolicy"],
                    "command": ["quorate", "verify", "--output", "json", "--duration", AT_MOST],
                    "args": ["--endpoint", endpoint, "--clients", "4", "--timeout", "10s"],
                    // Its clients ask as fast as they can, and other tests need the machine too.
                    "resources": {"limits": {"cpu": "200m"}},
                    "workingDir": "/tmp",
                    "securityContext": {
                        "allowPrivilegeEscalation": false,
                        "readOnlyRootFilesystem": true,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            },
        }))?;
        let pods: Api<Pod> = release.namespace().api();
        let made = pods.create(&PostParams::default(), &pod).await?;
        let load = Self {
            release,
            pod: made.metadata.name.context("a pod has a name")?,
        };
        until_within(LIMIT, "the load runs", async || load.runs().await).await;
        Ok(load)
    }

    /// Whether its clients ask.
    async fn runs(&self) -> bool {
        let state = self.state().await;
        state.is_some_and(|state| state.running.is_some())
    }

    async fn has_ended(&self) -> bool {
        let state = self.state().await;
        state.is_some_and(|state| state.terminated.is_some())
    }

    async fn state(&self) -> Option<ContainerState> {
        let pods: Api<Pod> = self.release.namespace().api();
        let status = pods.get(&self.pod).await.ok()?.status?;
        status.container_statuses?.pop()?.state
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it ended by itself, its history is not linearizable, or nothing was done.
    pub async fn report(self) -> anyhow::Result<Report> {
        let pods: Api<Pod> = self.release.namespace().api();
        ensure!(!self.has_ended().await, "the load ended by itself");
        // The pod is told to end, and its log stays.
        let patch = Patch::Merge(json!({"spec": {"activeDeadlineSeconds": 1}}));
        let parameters = PatchParams::default();
        pods.patch(&self.pod, &parameters, &patch).await?;
        self.judged().await
    }

    /// Ends it as a process of this machine, where its node does not hear what is asked of it.
    ///
    /// # Errors
    /// As of [`Load::report`].
    pub async fn report_of_process(self) -> anyhow::Result<Report> {
        let pods: Api<Pod> = self.release.namespace().api();
        let pod = pods.get(&self.pod).await?;
        PodProcess::of(&pod, "quorate")?.terminate().await?;
        self.judged().await
    }

    async fn judged(self) -> anyhow::Result<Report> {
        let pods: Api<Pod> = self.release.namespace().api();
        let ended = async || self.has_ended().await;
        until_within(LIMIT, "the load ends", ended).await;
        let text = pods.logs(&self.pod, &LogParams::default()).await?;
        pods.delete(&self.pod, &DeleteParams::default()).await?;
        let Some(last) = text.lines().last() else {
            bail!("the load said nothing");
        };
        let said: Value = serde_json::from_str(last).with_context(|| text.clone())?;
        ensure!(said["verdict"] == "linearizable", "{text}");
        let count = |name: &str| said[name].as_u64().with_context(|| text.clone());
        let report = Report {
            ok: count("ok")?,
            failed: count("failed")?,
            unknown: count("unknown")?,
            text: text.clone(),
        };
        ensure!(report.ok > 0, "{text}");
        println!("{text}");
        Ok(report)
    }
}

impl Report {
    /// Says so when an operation was not done.
    ///
    /// # Panics
    /// When one was not.
    pub fn assert_nothing_failed(&self) {
        assert_eq!((self.failed, self.unknown), (0, 0), "{}", self.text);
    }
}
