//! The chart, installed for one test.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::{Load, Namespace, until_within};

/// Where the chart is.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/helm/quorate");

/// So that several stores find room in a cluster on one machine.
const SMALL: [&str; 2] = [
    "replica.resources.requests.cpu=50m",
    "coordinator.resources.requests.cpu=50m",
];

/// Flags with which Helm waits until all pods are ready.
pub const WAIT: &[&str] = &["--wait", "--timeout", "10m"];

/// How long the slowest steps may take: pods that are scheduled, and changes of the members.
pub const LIMIT: Duration = Duration::from_secs(300);

/// The chart, installed in a namespace of its own with the images that the values in the file
/// `QUORATE_VALUES` name.
pub struct Release {
    namespace: Arc<Namespace>,
    name: &'static str,
}

impl Release {
    /// Installs it for the test of this name with further `settings`, such as `replica.replicas=5`, and
    /// waits until it is ready.
    ///
    /// # Errors
    /// When there is no cluster, no file of values, or the release does not become ready.
    pub async fn install(test: &str, settings: &[&str]) -> anyhow::Result<Self> {
        let release = Self {
            namespace: Arc::new(Namespace::new(test).await?),
            name: "quorate",
        };
        release.install_again(settings).await?;
        Ok(release)
    }

    /// Installs another of this name, which contains "quorate", in the same namespace.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn install_beside(&self, name: &'static str) -> anyhow::Result<Self> {
        let release = Self {
            namespace: self.namespace.clone(),
            name,
        };
        release.install_again(&[]).await?;
        Ok(release)
    }

    /// Installs it once more, after an uninstall.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn install_again(&self, settings: &[&str]) -> anyhow::Result<()> {
        self.apply("install", &images("QUORATE_VALUES")?, settings, WAIT)
            .await
    }

    /// Upgrades it with these settings, and waits until it is ready.
    ///
    /// # Errors
    /// When Helm fails.
    pub async fn upgrade(&self, settings: &[&str]) -> anyhow::Result<()> {
        self.upgrade_with(settings, WAIT).await
    }

    /// Upgrades it with these settings and with these flags of Helm.
    ///
    /// # Errors
    /// When Helm fails.
    pub async fn upgrade_with(&self, settings: &[&str], flags: &[&str]) -> anyhow::Result<()> {
        self.apply("upgrade", &images("QUORATE_VALUES")?, settings, flags)
            .await
    }

    /// Upgrades it to the images that the values in the file `QUORATE_NEXT_VALUES` name, with these
    /// settings, and waits until it is ready.
    ///
    /// # Errors
    /// When there is no file of values, or Helm fails.
    pub async fn upgrade_images(&self, settings: &[&str]) -> anyhow::Result<()> {
        self.apply("upgrade", &images("QUORATE_NEXT_VALUES")?, settings, WAIT)
            .await
    }

    /// Goes back to a revision with these flags of Helm.
    ///
    /// # Errors
    /// When Helm fails, with what it says.
    pub async fn roll_back(&self, revision: &str, flags: &[&str]) -> anyhow::Result<()> {
        let arguments = ["rollback", self.name, revision];
        self.helm(&[&arguments, flags].concat()).await
    }

    /// Takes it away, but for what stays, and waits until its pods are gone.
    ///
    /// # Errors
    /// When Helm fails.
    pub async fn uninstall(&self) -> anyhow::Result<()> {
        self.helm(&["uninstall", self.name, "--wait"]).await?;
        let ours = format!("--selector=app.kubernetes.io/instance={}", self.name);
        let arguments = ["get", "pods", &ours, "--output", "name"];
        let gone = async || matches!(self.kubectl(&arguments).await, Ok(left) if left.is_empty());
        until_within(LIMIT, "the pods are gone", gone).await;
        Ok(())
    }

    async fn apply(
        &self,
        how: &str,
        images: &str,
        settings: &[&str],
        flags: &[&str],
    ) -> anyhow::Result<()> {
        let mut arguments = vec![how, self.name, CHART, "--values", images];
        for setting in SMALL.iter().chain(settings) {
            arguments.extend(["--set", setting]);
        }
        arguments.extend(flags);
        self.helm(&arguments).await
    }

    async fn helm(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut all = vec!["--namespace", self.namespace.name()];
        all.extend(arguments);
        run("helm", &all).await.map(drop)
    }

    /// Its name, which its objects' names begin with.
    pub fn name(&self) -> &'static str {
        self.name
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

    /// Asks for so many replicas, by `kubectl scale`.
    ///
    /// # Errors
    /// When kubectl fails.
    pub async fn scale(&self, replicas: usize) -> anyhow::Result<()> {
        let stateful_set = format!("statefulset/{}-replica", self.name);
        let replicas = format!("--replicas={replicas}");
        let scale = ["scale", &stateful_set, &replicas];
        self.kubectl(&scale).await.map(drop)
    }

    /// What `quorate` prints in a coordinator's pod.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub async fn quorate(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let deployment = format!("deploy/{}", self.name);
        let mut all = vec!["exec", &deployment, "--", "quorate"];
        all.extend(arguments);
        self.kubectl(&all).await
    }

    /// What `quorate status` says.
    ///
    /// # Errors
    /// When no coordinator answers.
    pub async fn status(&self) -> anyhow::Result<Value> {
        let deployment = format!("deploy/{}", self.name);
        let mut arguments = vec!["--namespace", self.namespace.name()];
        arguments.extend(["exec", &deployment, "--"]);
        arguments.extend(["quorate", "status", "--output", "json"]);
        // Its exit code says how the store is.
        let output = output("kubectl", &arguments).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).with_context(|| said.into_owned())
    }

    /// The number of the epoch that a coordinator operates under.
    ///
    /// # Errors
    /// When none answers, or it knows no config.
    pub async fn epoch(&self) -> anyhow::Result<u64> {
        let status = self.status().await?;
        let epoch = status["epoch"].as_str().unwrap_or_default();
        let number = epoch.rsplit('.').next().unwrap_or_default();
        number.parse().with_context(|| status.to_string())
    }

    /// What a pod of it exports as metrics, by way of the API server: its port is in no Service.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self, pod: &str) -> anyhow::Result<String> {
        let namespace = self.namespace.name();
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:7402/proxy/metrics");
        self.kubectl(&["get", "--raw", &path]).await
    }

    /// Whether the members are the pods of these ordinals, and all of them answer without a problem.
    pub async fn has_members(&self, ordinals: impl IntoIterator<Item = usize>) -> bool {
        let Ok(status) = self.status().await else {
            return false;
        };
        let wanted = ordinals.into_iter();
        let wanted: Vec<_> = wanted
            .map(|n| format!("{}-replica-{n}", self.name))
            .collect();
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

    /// Clients that set, get and delete from now on.
    ///
    /// # Errors
    /// When their pod does not start.
    pub async fn load(&self) -> anyhow::Result<Load<'_>> {
        Load::begin(self, None).await
    }

    /// The same, on other nodes than this one.
    ///
    /// # Errors
    /// When their pod does not start.
    pub async fn load_away_from(&self, node: &str) -> anyhow::Result<Load<'_>> {
        Load::begin(self, Some(node)).await
    }

    /// Ends it. What a failed test leaves is there to look at, until
    /// [`Namespace::sweep`] deletes it.
    ///
    /// # Errors
    /// When another release is in its namespace, or the cluster does not take the request.
    pub async fn delete(self) -> anyhow::Result<()> {
        let namespace = Arc::into_inner(self.namespace);
        let namespace = namespace.context("another release is in the namespace")?;
        namespace.delete().await
    }
}

/// The file of values with images that a variable names.
fn images(variable: &str) -> anyhow::Result<String> {
    std::env::var(variable).with_context(|| format!("set {variable}"))
}

/// What the program prints on its standard output.
pub(crate) async fn run(program: &str, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<String> {
    let output = output(program, arguments).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// What the program prints, and how it ends.
async fn output(program: &str, arguments: &[impl AsRef<OsStr>]) -> anyhow::Result<Output> {
    Command::new(program)
        .args(arguments)
        .current_dir(Path::new(CHART))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot run {program}"))
}
