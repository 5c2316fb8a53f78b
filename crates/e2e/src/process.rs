//! Containers as processes of this machine: what can be done to them when the API says nothing. It needs a
//! cluster whose nodes run on this machine, and root.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use k8s_openapi::api::core::v1::Pod;

use crate::release::run;

/// The process of a pod's container that runs a certain program. It stays the same when the container is
/// started again, since a pod keeps its network.
#[derive(Debug)]
pub struct PodProcess {
    program: &'static str,
    network: PathBuf,
}

impl PodProcess {
    /// That of the pod which runs `program`, such as `quorate-replica`.
    ///
    /// # Errors
    /// When no process of this machine belongs to a container of the pod.
    pub fn of(pod: &Pod, program: &'static str) -> anyhow::Result<Self> {
        let status = pod.status.as_ref().context("the pod has a status")?;
        let statuses = status.container_statuses.iter().flatten();
        let ids = statuses.filter_map(|container| container.container_id.as_deref());
        // Such as "containerd://0123…".
        let ids: Vec<_> = ids.filter_map(|id| id.split("://").nth(1)).collect();
        let of_pod = |process: &Path| {
            let groups = fs::read_to_string(process.join("cgroup")).unwrap_or_default();
            runs(process, program) && ids.iter().any(|id| groups.contains(id))
        };
        let process = processes()
            .find(|process| of_pod(process))
            .with_context(|| format!("no process of the containers {ids:?} runs {program}"))?;
        let network = network(&process).context("a process has a network")?;
        Ok(Self { program, network })
    }

    /// Its number now; `None` while it does not run.
    pub fn id(&self) -> Option<u32> {
        let same = |process: &PathBuf| {
            runs(process, self.program) && network(process).as_ref() == Some(&self.network)
        };
        let process = processes().find(same)?;
        process.file_name()?.to_str()?.parse().ok()
    }

    /// Kills it without a warning, and says which number it had.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&self) -> anyhow::Result<u32> {
        self.signal("KILL").await
    }

    /// Tells it to end, and says which number it has.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn terminate(&self) -> anyhow::Result<u32> {
        self.signal("TERM").await
    }

    async fn signal(&self, name: &str) -> anyhow::Result<u32> {
        let id = self.id().context("it does not run")?;
        run("kill", &["-s", name, &id.to_string()]).await?;
        Ok(id)
    }

    /// What a program in its container prints, as `kubectl exec` would do.
    ///
    /// # Errors
    /// When it does not run, or the program fails, with what that says.
    pub async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let id = self.id().context("it does not run")?.to_string();
        let mut all = vec!["--target", &id, "--mount", "--net", "--"];
        all.extend(arguments);
        ensure!(!arguments.is_empty(), "no program to run");
        run("nsenter", &all).await
    }
}

fn processes() -> impl Iterator<Item = PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.map(|entry| entry.path())
        .filter(|path| path.join("exe").is_symlink())
}

fn runs(process: &Path, program: &str) -> bool {
    let executable = fs::read_link(process.join("exe")).unwrap_or_default();
    executable.file_name() == Some(program.as_ref())
}

fn network(process: &Path) -> Option<PathBuf> {
    fs::read_link(process.join("ns/net")).ok()
}
