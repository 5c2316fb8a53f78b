//! The replicas of `quorate dev`, which come as they are asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use parking_lot::Mutex;
use prometheus::Registry;
use quorate_coordinator::membership::{
    Directory, ListedWorkload, News, Nowhere, ScaleRefused, WishUnknown, Workload,
};
use quorate_register::{HeldConfig, MAX_GROUP_MEMBERS, Member, Replica};
use quorate_replica::{AdmissionArgs, Departure, StoreArgs, StoreLimitArgs};
use quorate_runtime::Shutdown;
use tokio::sync::mpsc;

/// The replicas in this process by their ordinals, and how many of them are wanted: what a
/// StatefulSet is elsewhere. One that is not wanted any more stays, empty once it is retired.
pub(super) struct DevReplicas {
    size: ListedWorkload,
    pods: Arc<Pods>,
}

/// The replicas that are there, and what it takes to start more.
struct Pods {
    folder: PathBuf,
    limits: StoreLimitArgs,
    registry: Registry,
    shutdown: Shutdown,
    open: Mutex<BTreeMap<usize, Arc<dyn Replica>>>,
    /// Held while one is opened: two at once would open the same folder.
    opening: tokio::sync::Mutex<()>,
    failures: mpsc::Sender<anyhow::Error>,
}

/// The name of the pod with this ordinal.
pub(super) fn pod(ordinal: usize) -> String {
    format!("{PREFIX}{ordinal}")
}

/// The ordinal in the name of a pod.
pub(super) fn ordinal(pod: &str) -> Option<usize> {
    pod.strip_prefix(PREFIX)?.parse().ok()
}

const PREFIX: &str = "replica-";

impl DevReplicas {
    /// None yet, with their folders in `folder`; and what ends when the disk of one fails.
    pub(super) fn new(
        folder: &Path,
        limits: &StoreLimitArgs,
        registry: &Registry,
        shutdown: &Shutdown,
    ) -> (Self, impl Future<Output = anyhow::Result<()>> + use<>) {
        let pods = (0..MAX_GROUP_MEMBERS).map(pod).collect();
        let (failures, mut failed) = mpsc::channel(1);
        let this = Self {
            size: ListedWorkload::beside(&folder.join("config.json"), pods),
            pods: Arc::new(Pods {
                folder: folder.to_owned(),
                limits: limits.clone(),
                registry: registry.clone(),
                shutdown: shutdown.clone(),
                open: Mutex::default(),
                opening: tokio::sync::Mutex::default(),
                failures,
            }),
        };
        let first_failure = async move {
            match failed.recv().await {
                Some(error) => Err(error),
                None => std::future::pending().await,
            }
        };
        (this, first_failure)
    }

    /// How many were asked for last.
    pub(super) fn size(&self) -> Option<usize> {
        self.size.size()
    }

    /// Opens a replica unless it is open, and returns the config it holds. It is opened to the end
    /// also when this is dropped.
    pub(super) async fn open(&self, ordinal: usize) -> anyhow::Result<Option<HeldConfig>> {
        let pods = self.pods.clone();
        tokio::spawn(async move { pods.open(ordinal).await }).await?
    }

    fn opened(&self, pod: &str) -> Option<Arc<dyn Replica>> {
        self.pods.open.lock().get(&ordinal(pod)?).cloned()
    }
}

impl Pods {
    async fn open(&self, ordinal: usize) -> anyhow::Result<Option<HeldConfig>> {
        let _opening = self.opening.lock().await;
        if self.open.lock().contains_key(&ordinal) {
            return Ok(None);
        }
        let pod = pod(ordinal);
        let store = StoreArgs {
            data_dir: self.folder.join(&pod),
            limits: self.limits.clone(),
        };
        let registry = self.registry.clone();
        // An old copy of a folder is noticed as in a cluster.
        let admission = AdmissionArgs {
            require_admission: true,
            instance_dir: None,
        };
        let opening = move || {
            quorate_replica::open(&store, &admission, &pod, Departure::default(), &registry)
        };
        let running = tokio::task::spawn_blocking(opening).await??;
        let (replica, mut committer) = (running.replica, running.committer);
        let held = replica.config();
        let observing = quorate_replica::observe(replica.clone(), self.shutdown.clone());
        self.shutdown.background.spawn(observing);
        let (failures, cancel) = (self.failures.clone(), self.shutdown.cancel.clone());
        self.shutdown.background.spawn(async move {
            let Some(ended) = cancel.run_until_cancelled(committer.ended()).await else {
                return;
            };
            let ended =
                ended.context("the store failed, and only a new start can tell what the disk has");
            if let Err(error) = ended {
                // Only the first failure counts: the process ends by it.
                let _ = failures.try_send(error);
            }
        });
        self.open.lock().insert(ordinal, replica);
        Ok(held)
    }
}

impl Directory for DevReplicas {
    fn replica(&self, member: &Member) -> Arc<dyn Replica> {
        let opened = self.opened(&member.pod);
        opened.unwrap_or_else(|| Arc::new(Nowhere(member.pod.clone())))
    }

    fn pods(&self) -> Vec<String> {
        self.pods.open.lock().keys().copied().map(pod).collect()
    }

    fn pod(&self, pod: &str) -> Option<Arc<dyn Replica>> {
        self.opened(pod)
    }

    fn address(&self, pod: &str) -> Option<String> {
        self.opened(pod).map(|_| "in-process".to_owned())
    }
}

#[async_trait]
impl Workload for DevReplicas {
    fn wanted(&self) -> Option<Arc<[String]>> {
        self.size.wanted()
    }

    async fn wanted_now(&self) -> Result<Option<Arc<[String]>>, WishUnknown> {
        Ok(self.wanted())
    }

    /// Starts the replicas first, as a StatefulSet would: they are waited for either way.
    async fn scale(&self, size: usize) -> Result<(), ScaleRefused> {
        for ordinal in 0..size {
            let opened = self.open(ordinal).await;
            opened.map_err(|error| ScaleRefused(format!("{}: {error:#}", pod(ordinal))))?;
        }
        self.size.scale(size).await
    }

    fn announce(&self, news: &News) {
        self.size.announce(news);
    }
}
