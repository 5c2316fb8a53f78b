//! What people ask for where there is no StatefulSet: a number in a file, of listed replicas.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::document_file::{beside, replace_file};
use super::{News, ScaleRefused, WishUnknown, Workload};

/// The first so many of a list of pods, as a file says that the coordinators of one machine share.
#[derive(Debug, Clone)]
pub struct ListedWorkload {
    pods: Vec<String>,
    file: PathBuf,
}

impl ListedWorkload {
    /// The wanted ones among `pods`; their number is in `file`, which need not exist yet.
    pub fn new(pods: Vec<String>, file: impl Into<PathBuf>) -> Self {
        let file = file.into();
        Self { pods, file }
    }

    /// The wanted ones among `pods`, their number in the file beside that of the config.
    pub fn beside(config_file: &Path, pods: Vec<String>) -> Self {
        Self::new(pods, beside(config_file, "size"))
    }

    /// The size that was asked for last; `None` when nobody ever did, or it cannot be read.
    pub fn size(&self) -> Option<usize> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = %self.file.display(), %error, "cannot read the wanted size");
                return None;
            }
        };
        let size = text.trim().parse().ok();
        if size.is_none() {
            tracing::warn!(file = %self.file.display(), "the wanted size is no number");
        }
        size
    }

    fn write(&self, size: usize) -> std::io::Result<()> {
        replace_file(&self.file, format!("{size}\n").as_bytes()).map(drop)
    }
}

#[async_trait]
impl Workload for ListedWorkload {
    fn wanted(&self) -> Option<Arc<[String]>> {
        let size = self.size()?;
        Some(self.pods.iter().take(size).cloned().collect())
    }

    async fn wanted_now(&self) -> Result<Option<Arc<[String]>>, WishUnknown> {
        Ok(self.wanted())
    }

    async fn scale(&self, size: usize) -> Result<(), ScaleRefused> {
        let listed = self.pods.len();
        if size > listed {
            return Err(ScaleRefused(format!(
                "{size} replicas are more than the {listed} that the coordinators know of: start more and list them with --replica first"
            )));
        }
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || this.write(size)).await;
        let file = self.file.display();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ScaleRefused(format!("cannot write {file}: {error}"))),
            Err(error) => Err(ScaleRefused(format!("cannot write {file}: {error}"))),
        }
    }

    /// Whoever runs replicas without Kubernetes reads the logs.
    fn announce(&self, _: &News) {}
}
