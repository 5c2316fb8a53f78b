//! The chart, installed for one test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::{Load, Namespace, until_within};

/// Where the chart is.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/helm/quorate");

/// How long the slowest steps may take: pods that are scheduled, and changes of the members.
const LIMIT: Duration = Duration::from_secs(300);

/// The chart, installed as the release `quorate` in a namespace of its own with the images that
/// the values in the file `QUORATE_VALUES` name.
pub struct Release {
    namespace: Namespace,
    values: PathBuf,
}

impl Release {
    /// Installs it for the test of this name with further `settings`, such as `replica.replicas=5`, and
    /// waits until it is ready.
    ///
    /// # Errors
    /// When there is no cluster, no file of values, or the release does not become ready.
    pub async fn install(test: &str, settings: &[&str]) -> anyhow::Result<Self> {
        let values = std::env::var_os("QUORATE_VALUES").context("set QUORATE_VALUES")?;
        let release = Self {
            namespace: Namespace::new(test).await?,
            values: values.into(),
        };
        release.apply("install", settings).await?;
        Ok(release)
    }

    /// Upgrades it with these settings, and waits until it is ready.
    ///
    /// # Errors
    /// When Helm fails.
    pub async fn upgrade(&self, settings: &[&str]) -> anyhow::Result<()> {
        self.apply("upgrade", settings).await
    }

    async fn apply(&self, how: &str, settings: &[&str]) -> anyhow::Result<()> {
        let values = self.values.display().to_string();
        let mut arguments = vec![how, "quorate", CHART, "--values", &values];
        arguments.extend(["--namespace", self.namespace.name()]);
        arguments.extend(["--wait", "--timeout", "5m"]);
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        run("helm", &arguments).await.map(drop)
    }

    /// The namespace that it is in.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// What kubectl prints, in the namespace.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut all = vec!["--namespace", self.namespace.name()];
        all.extend(arguments);
        run("kubectl", &all).await
    }

    /// What `quorate` prints in a coordinator's pod.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub async fn quorate(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut all = vec!["exec", "deploy/quorate", "--", "quorate"];
        all.extend(arguments);
        self.kubectl(&all).await
    }

    /// Whether the members are the pods of these ordinals, and all of them answer without a problem.
    pub async fn has_members(&self, ordinals: impl IntoIterator<Item = usize>) -> bool {
        let Ok(text) = self.quorate(&["status", "--output", "json"]).await else {
            return false;
        };
        let Ok(status) = serde_json::from_str::<Value>(&text) else {
            return false;
        };
        let wanted = ordinals.into_iter();
        let wanted: Vec<_> = wanted.map(|n| format!("quorate-replica-{n}")).collect();
        let members = status["members"].as_array().cloned().unwrap_or_default();
        let is_well = |member: &Value| member["reachable"] == true;
        let pods = members.iter().map(|member| member["pod"].as_str());
        let mut pods: Vec<_> = pods.flatten().collect();
        pods.sort_unstable();
        status["joint"] == false && pods == wanted && members.iter().all(is_well)
    }

    /// Waits until the members are the pods of these ordinals.
    ///
    /// # Panics
    /// When they are not within five minutes.
    pub async fn until_members(&self, ordinals: std::ops::Range<usize>) {
        let what = format!("the members are the pods {ordinals:?}");
        let have = async || self.has_members(ordinals.clone()).await;
        until_within(LIMIT, &what, have).await;
    }

    /// Waits until these pods are gone.
    ///
    /// # Panics
    /// When they are not within five minutes.
    pub async fn until_gone(&self, pods: &[&str]) {
        let mut arguments = vec!["get", "pods", "--ignore-not-found", "--output", "name"];
        arguments.extend(pods);
        let gone = async || matches!(self.kubectl(&arguments).await, Ok(left) if left.is_empty());
        until_within(LIMIT, &format!("{pods:?} are gone"), gone).await;
    }

    /// Clients that set, get and delete for this time from now on.
    ///
    /// # Errors
    /// When their pod does not start.
    pub async fn load(&self, time: Duration) -> anyhow::Result<Load<'_>> {
        Load::begin(self, time).await
    }

    /// Ends it. What a failed test leaves is there to look at, until
    /// [`Namespace::sweep`] deletes it.
    ///
    /// # Errors
    /// When the cluster does not take the request.
    pub async fn delete(self) -> anyhow::Result<()> {
        self.namespace.delete().await
    }
}

/// What the program prints on its standard output.
async fn run(program: &str, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(Path::new(CHART))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}
