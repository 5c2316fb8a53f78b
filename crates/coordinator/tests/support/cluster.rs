//! Scripted replicas and a coordinator over them, all in this process.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use quorate_coordinator::membership::{FixedDirectory, Membership, bootstrap, load};
use quorate_coordinator::{Backoff, Coordinator, CoordinatorMetrics, CoordinatorOptions};
use quorate_register::{
    Config, ConfigId, ConfigParts, Entropy, Epoch, Key, OpId, Pair, Replica, ReplicaId, Timestamp,
};
use quorate_replica::ReplicaMetrics;
use tokio_util::sync::CancellationToken;

use super::{Scripted, Seeded};

/// A store of some scripted replicas.
pub(crate) struct Cluster {
    pub(crate) replicas: Vec<Arc<Scripted>>,
    pub(crate) directory: Arc<FixedDirectory>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) stop: CancellationToken,
    pub(crate) registry: Registry,
    pub(crate) metrics: CoordinatorMetrics,
    pub(crate) random: Arc<Seeded>,
}

/// The default options, but with pauses short enough for tests.
pub(crate) fn options() -> CoordinatorOptions {
    let mut options = CoordinatorOptions::default();
    options.quorum.backoff = Backoff {
        first: Duration::from_millis(2),
        most: Duration::from_millis(20),
    };
    options
}

impl Cluster {
    /// One whose first config lists all `replicas`.
    pub(crate) async fn new(replicas: usize) -> Self {
        Self::with(replicas, replicas, options()).await
    }

    /// One whose first config lists the first `members` of the replicas.
    pub(crate) async fn with(members: usize, replicas: usize, options: CoordinatorOptions) -> Self {
        let loopback = |replica: &Arc<Scripted>| replica.clone() as Arc<dyn Replica>;
        Self::reached(members, replicas, options, loopback).await
    }

    /// One whose replicas are reached by what `way` makes of each.
    pub(crate) async fn reached(
        members: usize,
        replicas: usize,
        options: CoordinatorOptions,
        mut way: impl FnMut(&Arc<Scripted>) -> Arc<dyn Replica>,
    ) -> Self {
        let registry = Registry::new();
        let random = Seeded::new(7);
        let mut scripted = Vec::new();
        let (mut all, mut first) = (FixedDirectory::default(), FixedDirectory::default());
        for n in 0..replicas {
            let pod = format!("replica-{n}");
            let metrics = ReplicaMetrics::new(&registry, &pod).unwrap();
            let replica = Scripted::new(&pod, ReplicaId::random(&*random), metrics);
            let reached = way(&replica);
            all = all.with(&pod, "somewhere", reached.clone());
            if n < members {
                first = first.with(&pod, "somewhere", reached);
            }
            scripted.push(replica);
        }
        let limit = Duration::from_secs(10);
        bootstrap(&first, None, &*random, limit).await.unwrap();
        let metrics = CoordinatorMetrics::new(&registry).unwrap();
        let directory = Arc::new(all);
        let membership = Membership::new(directory.clone(), random.clone(), metrics.clone());
        let membership = Arc::new(membership);
        load(&membership, None, limit).await.unwrap();
        scripted.iter().for_each(|replica| replica.clear());
        let stop = CancellationToken::new();
        let coordinator = Coordinator::new(
            options,
            membership.clone(),
            random.clone(),
            metrics.clone(),
            stop.clone(),
        );
        Self {
            replicas: scripted,
            directory,
            membership,
            coordinator: Arc::new(coordinator),
            stop,
            registry,
            metrics,
            random,
        }
    }

    /// The same pods, but with an empty disk in that of this index.
    pub(crate) fn stranger(&self, index: usize) -> Arc<FixedDirectory> {
        let mut directory = FixedDirectory::default();
        for (n, replica) in self.replicas.iter().enumerate() {
            let pod = &replica.pod;
            let replica = match n == index {
                true => Scripted::new(
                    pod,
                    ReplicaId::random(&*self.random),
                    replica.metrics.clone(),
                ),
                false => replica.clone(),
            };
            directory = directory.with(pod, "somewhere", replica);
        }
        Arc::new(directory)
    }

    /// Another coordinator for the same store, which finds replicas by this directory.
    pub(crate) fn coordinator_with(&self, directory: FixedDirectory) -> Coordinator {
        let coordinator = self.coordinator_of(Arc::new(directory));
        coordinator.membership().install(self.config());
        coordinator
    }

    /// Another coordinator for the same store, which has not found its config yet.
    pub(crate) fn coordinator_without_config(&self) -> Coordinator {
        self.coordinator_of(self.directory.clone())
    }

    fn coordinator_of(&self, directory: Arc<FixedDirectory>) -> Coordinator {
        let (random, metrics) = (self.random.clone(), self.metrics.clone());
        let membership = Membership::new(directory, random.clone(), metrics.clone());
        let stop = self.stop.clone();
        Coordinator::new(options(), Arc::new(membership), random, metrics, stop)
    }

    /// The config operated under.
    pub(crate) fn config(&self) -> Arc<Config> {
        let view = self.membership.view().expect("a config was loaded");
        view.config().clone()
    }

    /// A child of the config operated under, with changes.
    pub(crate) fn child(&self, change: impl FnOnce(&mut ConfigParts)) -> Arc<Config> {
        child(&self.config(), &*self.random, change)
    }

    /// The sum of a counter, or the count of a histogram, over the series with these labels.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let series = family.into_iter().flat_map(|family| family.get_metric());
        let matching = series.filter(|metric| {
            labels.iter().all(|(name, value)| {
                let pairs = metric.get_label().iter();
                pairs
                    .clone()
                    .any(|pair| pair.name() == *name && pair.value() == *value)
            })
        });
        matching
            .map(|metric| {
                let histogram = metric.get_histogram().get_sample_count();
                metric.get_counter().get_value() as u64
                    + metric.get_gauge().get_value() as u64
                    + histogram
            })
            .sum()
    }
}

/// A child of `parent`: its epoch, lineage and activators, with changes.
pub(crate) fn child(
    parent: &Config,
    entropy: &dyn Entropy,
    change: impl FnOnce(&mut ConfigParts),
) -> Arc<Config> {
    let mut parts = parent.parts().clone();
    parts.ancestors.insert(0, parent.id());
    parts.id = ConfigId::random(entropy);
    parts.epoch = Epoch {
        number: parent.epoch().number + 1,
        ..parent.epoch()
    };
    parts.activators = parent.parts().current.clone();
    change(&mut parts);
    Arc::new(Config::new(parts).expect("a valid config"))
}

/// A pair that a write with this counter would have chosen.
pub(crate) fn pair(key: &Key, counter: u64, value: &'static str) -> Pair {
    let timestamp = Timestamp {
        counter,
        op_id: OpId::from_bytes([9; 16]),
        ..Timestamp::ZERO
    };
    Pair::new(key, timestamp, Some(value.into()))
}

pub(crate) fn key(name: &'static str) -> Key {
    Key::new(name).expect("a valid key")
}
