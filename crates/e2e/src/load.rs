//! Clients of a store in the cluster, whose history is recorded and checked.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, LogParams, PostParams};
use serde_json::{Value, json};

use crate::{Release, until_within};

/// How long beyond its time a load may take to start, to check its history and to end.
const SLACK: Duration = Duration::from_secs(180);

/// `quorate verify` in a pod: it records what its clients asked and were answered, and checks that
/// for linearizability.
pub struct Load<'a> {
    release: &'a Release,
    pod: String,
    time: Duration,
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
    pub(crate) async fn begin(release: &'a Release, time: Duration) -> anyhow::Result<Self> {
        let deployment: Deployment = release.namespace().api().get("quorate").await?;
        let deployment = serde_json::to_value(deployment)?;
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let seconds = format!("{}s", time.as_secs());
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"generateName": "load-"},
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "securityContext": {
                    "runAsNonRoot": true, "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [{
                    "name": "verify",
                    "image": container["image"],
                    "imagePullPolicy": container["imagePullPolicy"],
                    "command": ["quorate", "verify", "--output", "json", "--duration", seconds],
                    "args": ["--endpoint", "quorate:7400", "--clients", "4", "--timeout", "10s"],
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
            time,
        };
        until_within(SLACK, "the load runs", async || load.runs().await).await;
        Ok(load)
    }

    /// Whether its clients still ask.
    pub async fn runs(&self) -> bool {
        self.phase().await.as_deref() == Some("Running")
    }

    async fn phase(&self) -> Option<String> {
        let pods: Api<Pod> = self.release.namespace().api();
        pods.get(&self.pod).await.ok()?.status?.phase
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When its history is not linearizable, or nothing was done.
    pub async fn report(self) -> anyhow::Result<Report> {
        let ended = async || {
            let phase = self.phase().await;
            matches!(phase.as_deref(), Some("Succeeded" | "Failed"))
        };
        until_within(self.time + SLACK, "the load ends", ended).await;
        let pods: Api<Pod> = self.release.namespace().api();
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
