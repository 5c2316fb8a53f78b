//! A store, what is wanted of it, and coordinators that change its members.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::Registry;
use quorate_coordinator::membership::{
    ConfigStore, FileConfigStore, FixedDirectory, ListedWorkload, Membership, SwapOutcome,
    Workload, load,
};
use quorate_coordinator::reconfiguration::{
    ChangeError, Progress, ReconfigurationMetrics, ReconfigurationOptions, Reconfigurer,
    ReconfigurerParts,
};
use quorate_coordinator::{Coordinator, CoordinatorMetrics};
use quorate_register::{Config, Key, Register};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::{Cluster, options};

pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) store: Arc<FileConfigStore>,
    pub(crate) workload: Arc<ListedWorkload>,
    folder: TempDir,
    written: Mutex<HashMap<Key, String>>,
}

/// One coordinator: the register, and what changes the members.
pub(crate) struct Side {
    pub(crate) membership: Arc<Membership>,
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) reconfigurer: Arc<Reconfigurer>,
}

impl Side {
    /// Takes steps until there is none to take.
    pub(crate) async fn settle(&self) -> Result<(), ChangeError> {
        let mut steps = 0;
        while self.reconfigurer.tick().await? {
            steps += 1;
            assert!(steps < 100, "a change never ends");
        }
        Ok(())
    }

    pub(crate) fn config(&self) -> Arc<Config> {
        self.membership.view().unwrap().config().clone()
    }

    pub(crate) fn members(&self) -> Vec<String> {
        let config = self.config();
        let members = config.parts().current.iter();
        members.map(|member| member.pod.clone()).collect()
    }

    pub(crate) fn progress(&self) -> Progress {
        self.reconfigurer.progress().borrow().clone()
    }
}

impl Stage {
    /// A store of the first `members` of so many replicas.
    pub(crate) async fn new(members: usize, replicas: usize) -> Self {
        let cluster = Cluster::with(members, replicas, options()).await;
        cluster.replicas.iter().for_each(|replica| replica.forget());
        let folder = TempDir::new().unwrap();
        let store = Arc::new(FileConfigStore::new(folder.path().join("config.json")));
        let config = cluster.config();
        let SwapOutcome::Swapped(version) = store.create(&config).await.unwrap() else {
            panic!("a conflict in an empty folder");
        };
        store.swap(&version, &config, true).await.unwrap();
        let pods = cluster.replicas.iter().map(|replica| replica.pod.clone());
        let size = folder.path().join("size");
        let workload = Arc::new(ListedWorkload::new(pods.collect(), size));
        let written = Mutex::default();
        Self {
            cluster,
            store,
            workload,
            folder,
            written,
        }
    }

    /// Where the agreed config lies.
    pub(crate) fn config_file(&self) -> std::path::PathBuf {
        self.folder.path().join("config.json")
    }

    /// Another coordinator, which has just started.
    pub(crate) async fn side(&self) -> Side {
        self.side_at(self.cluster.directory.clone()).await
    }

    /// One that finds replicas by this directory.
    pub(crate) async fn side_at(&self, directory: Arc<FixedDirectory>) -> Side {
        self.side_with(directory, None).await
    }

    /// One that is told whether it leads.
    pub(crate) async fn side_led(&self, leads: watch::Receiver<bool>) -> Side {
        let directory = self.cluster.directory.clone();
        self.side_with(directory, Some(leads)).await
    }

    async fn side_with(
        &self,
        directory: Arc<FixedDirectory>,
        leads: Option<watch::Receiver<bool>>,
    ) -> Side {
        let registry = Registry::new();
        let metrics = CoordinatorMetrics::new(&registry).unwrap();
        let random = self.cluster.random.clone();
        let membership = Membership::new(directory, random.clone(), metrics.clone());
        let membership = Arc::new(membership);
        let store: Arc<dyn ConfigStore> = self.store.clone();
        let limit = Duration::from_secs(1);
        load(&membership, Some(&*store), limit).await.unwrap();
        let stop = self.cluster.stop.clone();
        let coordinator =
            Coordinator::new(options(), membership.clone(), random.clone(), metrics, stop);
        let reconfigurer = Reconfigurer::new(ReconfigurerParts {
            options: ReconfigurationOptions {
                swap_delay: Duration::from_secs(60),
                ..ReconfigurationOptions::default()
            },
            membership: membership.clone(),
            config_store: store,
            workload: self.workload.clone(),
            entropy: random,
            metrics: ReconfigurationMetrics::new(&registry).unwrap(),
            live: coordinator.live_counts(),
            repair: None,
            leads,
        });
        Side {
            membership,
            coordinator: Arc::new(coordinator),
            reconfigurer: Arc::new(reconfigurer),
        }
    }

    /// Asks for so many members.
    pub(crate) async fn want(&self, size: usize) {
        self.workload.scale(size).await.unwrap();
    }

    /// Writes `count` keys through this coordinator.
    pub(crate) async fn fill(&self, side: &Side, count: usize) {
        for n in 0..count {
            let key = Key::new(format!("key-{n}")).unwrap();
            let value = format!("value {n} of {}", side.config().epoch());
            let set = side.coordinator.set(&key, value.clone().into(), None).await;
            set.unwrap();
            self.written.lock().insert(key, value);
        }
    }

    /// Whether everything that was written is still what a get returns.
    pub(crate) async fn check(&self, side: &Side) {
        let written = self.written.lock().clone();
        for (key, value) in written {
            let entry = side.coordinator.get(&key, None).await.unwrap();
            assert_eq!(entry.value.as_deref(), Some(value.as_bytes()), "{key:?}");
        }
    }
}
