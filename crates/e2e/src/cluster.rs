//! Faults of the whole cluster, through the program that `QUORATE_CLUSTER` names (`etcd save FILE`,
//! `etcd restore FILE`, `api pause`, `api resume`, `partition NODE`, `heal NODE`).

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// Has the program do something, and waits for its end.
///
/// # Errors
/// When there is no program, or it fails.
pub fn cluster(arguments: &[&str]) -> anyhow::Result<()> {
    let program = std::env::var_os("QUORATE_CLUSTER").context("set QUORATE_CLUSTER")?;
    let mut command = Command::new(program);
    let status = command.args(arguments).stdin(Stdio::null()).status()?;
    ensure!(status.success(), "cluster {arguments:?}: {status}");
    Ok(())
}

/// A fault that ends with it, also when a test fails.
#[must_use = "it ends when it is dropped"]
pub struct ClusterFault(Option<Vec<String>>);

impl ClusterFault {
    /// The API server says nothing.
    ///
    /// # Errors
    /// When the program fails.
    pub fn api_paused() -> anyhow::Result<Self> {
        Self::begin(&["api", "pause"], &["api", "resume"])
    }

    /// A node's cable is cut.
    ///
    /// # Errors
    /// When the program fails.
    pub fn partitioned(node: &str) -> anyhow::Result<Self> {
        Self::begin(&["partition", node], &["heal", node])
    }

    fn begin(first: &[&str], last: &[&str]) -> anyhow::Result<Self> {
        cluster(first)?;
        Ok(Self(Some(last.iter().map(ToString::to_string).collect())))
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the program fails.
    pub fn end(mut self) -> anyhow::Result<()> {
        self.undo()
    }

    fn undo(&mut self) -> anyhow::Result<()> {
        let Some(last) = self.0.take() else {
            return Ok(());
        };
        cluster(&last.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

impl Drop for ClusterFault {
    fn drop(&mut self) {
        if let Err(error) = self.undo() {
            eprintln!("a fault of the cluster stays: {error}");
        }
    }
}
