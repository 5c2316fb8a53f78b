//! The first config is made only from replicas that all answer and never held one.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use quorate_coordinator::membership::{
    BootstrapError, ConfigStore, FileConfigStore, FixedDirectory, bootstrap,
};
use quorate_register::{Config, ReplicaId};
use quorate_replica::ReplicaMetrics;
use tempfile::TempDir;

use crate::support::{Act, Scripted, Seeded};

const LIMIT: Duration = Duration::from_secs(1);

/// Replicas whose disks never held a config.
struct Virgins {
    replicas: Vec<Arc<Scripted>>,
    directory: FixedDirectory,
    random: Arc<Seeded>,
    folder: TempDir,
}

impl Virgins {
    fn new(replicas: usize) -> Self {
        Self::seeded(replicas, 3)
    }

    fn seeded(replicas: usize, seed: u64) -> Self {
        let (random, registry) = (Seeded::new(seed), Registry::new());
        let mut directory = FixedDirectory::default();
        let scripted = |n| {
            let pod = format!("replica-{n}");
            let metrics = ReplicaMetrics::new(&registry, &pod).unwrap();
            let replica = Scripted::new(&pod, ReplicaId::random(&*random), metrics);
            directory = std::mem::take(&mut directory).with(pod, "", replica.clone());
            replica
        };
        Self {
            replicas: (0..replicas).map(scripted).collect(),
            directory,
            random,
            folder: TempDir::new().unwrap(),
        }
    }

    fn store(&self) -> FileConfigStore {
        FileConfigStore::new(self.folder.path().join("config.json"))
    }

    async fn bootstrap(&self) -> Result<Arc<Config>, BootstrapError> {
        let store = self.store();
        bootstrap(&self.directory, Some(&store), &*self.random, LIMIT).await
    }

    /// How many replicas hold a config.
    fn holders(&self) -> usize {
        let holds = |replica: &&Arc<Scripted>| replica.replica().config().is_some();
        self.replicas.iter().filter(holds).count()
    }
}

#[tokio::test]
async fn of_any_number_of_replicas() {
    for number in 1..=7 {
        let virgins = Virgins::new(number);
        let config = virgins.bootstrap().await.unwrap();
        let ids = config.members().iter().map(|member| member.replica_id);
        assert!(ids.eq(virgins.replicas.iter().map(|replica| replica.replica_id)));
        assert_eq!((config.epoch().recovery, config.epoch().number), (0, 1));
        assert!(config.parts().ancestors.is_empty() && config.parts().activators.is_empty());
        for replica in &virgins.replicas {
            let held = replica.replica().config().unwrap();
            assert_eq!((held.config.id(), held.active), (config.id(), true));
        }
        let stored = virgins.store().read().await.unwrap().unwrap();
        assert_eq!((stored.config.id(), stored.active), (config.id(), true));
    }
}

#[tokio::test(start_paused = true)]
async fn all_must_answer() {
    for act in [Act::Hang, Act::Fail(unreachable())] {
        let virgins = Virgins::new(3);
        virgins.replicas[1].on("identify", act);
        let error = virgins.bootstrap().await.unwrap_err();
        assert!(matches!(error, BootstrapError::Missing { .. }));
        let text = error.to_string();
        assert!(
            text.contains("all replicas must answer") && text.contains("replica-1: "),
            "{text}"
        );
        assert!(!text.contains("replica-0"), "{text}");
        assert_eq!(virgins.holders(), 0, "nothing was changed");
        assert!(virgins.store().read().await.unwrap().is_none());
    }
}

fn unreachable() -> quorate_register::ReplicaError {
    quorate_register::ReplicaError::Unreachable {
        problem: "connection refused".into(),
    }
}

#[tokio::test]
async fn a_disk_that_held_a_config_is_no_virgin() {
    let (virgins, others) = (Virgins::new(3), Virgins::seeded(1, 4));
    let theirs = others.bootstrap().await.unwrap();
    let mut directory = FixedDirectory::default();
    for replica in virgins.replicas.iter().chain(&others.replicas) {
        let pod = format!("{}-{}", replica.pod, replica.replica_id);
        directory = directory.with(pod, "", replica.clone());
    }
    let result = bootstrap(&directory, None, &*virgins.random, LIMIT).await;
    let error = result.unwrap_err();
    assert!(matches!(error, BootstrapError::NotVirgin { .. }));
    assert!(
        error.to_string().contains(&theirs.cluster_id().to_string()),
        "{error}"
    );
    assert_eq!(virgins.holders(), 0, "nothing was changed");
    // Neither may a store be made anew over its own replicas: they have data.
    let error = others.bootstrap().await.unwrap_err();
    assert!(matches!(error, BootstrapError::NotVirgin { .. }));
}

#[tokio::test]
async fn an_existing_object_is_never_replaced() {
    let virgins = Virgins::new(3);
    let existing = crate::conformance::first(&*virgins.random);
    virgins.store().create(&existing).await.unwrap();
    let error = virgins.bootstrap().await.unwrap_err();
    assert!(matches!(error, BootstrapError::Exists { .. }));
    assert!(
        error.to_string().contains(&existing.id().to_string()),
        "{error}"
    );
    assert_eq!(
        virgins.holders(),
        0,
        "no config reaches a replica before its swap"
    );
    let stored = virgins.store().read().await.unwrap().unwrap();
    assert_eq!(stored.config.id(), existing.id());
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_no_missing_object() {
    let virgins = Virgins::new(3);
    let path = virgins.folder.path().join("config.json");
    std::fs::write(&path, "garbage").unwrap();
    let error = virgins.bootstrap().await.unwrap_err();
    assert!(matches!(error, BootstrapError::Store(_)));
    assert!(error.to_string().contains("config.json"), "{error}");
    assert_eq!(virgins.holders(), 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "garbage");
}

#[tokio::test]
async fn one_replica_in_two_pods_is_not_counted_twice() {
    let virgins = Virgins::new(2);
    let directory = FixedDirectory::default()
        .with("replica-0", "", virgins.replicas[0].clone())
        .with("replica-1", "", virgins.replicas[1].clone())
        .with("replica-2", "", virgins.replicas[1].clone());
    let result = bootstrap(&directory, None, &*virgins.random, LIMIT).await;
    let error = result.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "replica-1 and replica-2 are the same replica, {}: correct their addresses",
            virgins.replicas[1].replica_id
        )
    );
    assert_eq!(virgins.holders(), 0);
}

#[tokio::test]
async fn a_name_that_is_not_the_replicas_own_is_refused() {
    let virgins = Virgins::new(3);
    let directory = FixedDirectory::default()
        .with("replica-0", "", virgins.replicas[1].clone())
        .with("replica-1", "", virgins.replicas[0].clone())
        .with("replica-2", "", virgins.replicas[2].clone());
    let store = virgins.store();
    let result = bootstrap(&directory, Some(&store), &*virgins.random, LIMIT).await;
    assert_eq!(
        result.unwrap_err().to_string(),
        "the replica listed as replica-0 calls itself replica-1, the replica listed as replica-1 \
         calls itself replica-0: correct the names or the addresses"
    );
    assert_eq!(virgins.holders(), 0);
    assert!(store.read().await.unwrap().is_none());
    // Where one is missing too, that is no reason to wait for it first.
    virgins.replicas[2].always(Act::Fail(unreachable()));
    let result = bootstrap(&directory, None, &*virgins.random, LIMIT).await;
    assert!(matches!(
        result.unwrap_err(),
        BootstrapError::Misnamed { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_first_config_that_one_has_not_taken_is_not_active() {
    let virgins = Virgins::new(3);
    virgins.replicas[2].on("adopt", Act::Hang);
    let error = virgins.bootstrap().await.unwrap_err();
    assert!(matches!(error, BootstrapError::NotActive(_)));
    assert!(error.to_string().contains("replica-2"), "{error}");
    let stored = virgins.store().read().await.unwrap().unwrap();
    assert!(!stored.active);
    // It is made, and cannot be made again; a coordinator that starts goes on with it.
    virgins.replicas[2].always(Act::Serve);
    let error = virgins.bootstrap().await.unwrap_err();
    assert!(matches!(error, BootstrapError::NotVirgin { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_at_once_at_most_one_makes_it() {
    for seed in 0..20 {
        let virgins = Arc::new(Virgins::new(3));
        let tasks = (0..4).map(|n| {
            let virgins = virgins.clone();
            tokio::spawn(async move {
                let (store, random) = (virgins.store(), Seeded::new(100 * seed + n));
                bootstrap(&virgins.directory, Some(&store), &*random, LIMIT).await
            })
        });
        let mut made = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            match task.await.unwrap() {
                Ok(config) => made.push(config.id()),
                Err(BootstrapError::Exists { .. } | BootstrapError::NotVirgin { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
        let stored = virgins.store().read().await.unwrap().unwrap();
        assert_eq!(made, [stored.config.id()]);
        assert_eq!(virgins.holders(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_at_once_without_a_store_one_wins_and_the_others_touch_nothing() {
    for seed in 0..50 {
        let virgins = Virgins::seeded(3, seed);
        let attempts = (0..4).map(|_| bootstrap(&virgins.directory, None, &*virgins.random, LIMIT));
        let results = futures::future::join_all(attempts).await;
        let made: Vec<_> = results
            .iter()
            .filter_map(|result| result.as_ref().ok())
            .collect();
        assert_eq!(made.len(), 1, "seed {seed}: {results:?}");
        for replica in &virgins.replicas {
            let held = replica.replica().config().unwrap();
            assert_eq!(held.config.id(), made[0].id(), "seed {seed}");
        }
    }
}
