//! How a coordinator finds the config when it starts.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use quorate_coordinator::CoordinatorMetrics;
use quorate_coordinator::membership::{
    ConfigStore, FileConfigStore, FixedDirectory, LoadProblem, Membership, SwapOutcome, load,
    recover,
};
use quorate_register::{Config, ReplicaId};
use quorate_replica::ReplicaMetrics;
use tempfile::TempDir;

use crate::support::{Act, Cluster, Scripted, Seeded, child};

const LIMIT: Duration = Duration::from_secs(1);

/// What a coordinator knows that has just started.
fn started(directory: Arc<FixedDirectory>) -> Membership {
    let metrics = CoordinatorMetrics::new(&Registry::new()).unwrap();
    Membership::new(directory, Seeded::new(5), metrics)
}

/// Starts one and looks for the config.
async fn found(
    cluster: &Cluster,
    store: Option<&dyn ConfigStore>,
) -> Result<Arc<Config>, LoadProblem> {
    let membership = started(cluster.directory.clone());
    assert!(membership.view().is_none());
    let loaded = load(&membership, store, LIMIT).await;
    let view = membership.view();
    assert_eq!(loaded.is_ok(), view.is_some());
    loaded.map(|()| view.unwrap().config().clone())
}

/// A store in a file with this config.
async fn stored(config: &Config, active: bool) -> (TempDir, FileConfigStore) {
    let folder = TempDir::new().unwrap();
    let store = FileConfigStore::new(folder.path().join("config.json"));
    let SwapOutcome::Swapped(version) = store.create(config).await.unwrap() else {
        panic!("a conflict in an empty folder");
    };
    store.swap(&version, config, active).await.unwrap();
    (folder, store)
}

fn hang(replicas: &[Arc<Scripted>]) {
    replicas
        .iter()
        .for_each(|replica| replica.always(Act::Hang));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_records_as_active_needs_no_replica() {
    let cluster = Cluster::new(3).await;
    let (_folder, store) = stored(&cluster.config(), true).await;
    hang(&cluster.replicas);
    assert_eq!(
        found(&cluster, Some(&store)).await.unwrap(),
        cluster.config()
    );
}

#[tokio::test(start_paused = true)]
async fn what_replicas_record_as_active_needs_neither_store_nor_all_of_them() {
    let cluster = Cluster::new(3).await;
    let broken = TempDir::new().unwrap();
    std::fs::write(broken.path().join("config.json"), "garbage").unwrap();
    let missing = FileConfigStore::new(broken.path().join("missing.json"));
    let broken = FileConfigStore::new(broken.path().join("config.json"));
    for down in 0..3 {
        cluster
            .replicas
            .iter()
            .for_each(|replica| replica.always(Act::Serve));
        cluster.replicas[down].kill();
        for store in [None, Some(&missing as &dyn ConfigStore), Some(&broken)] {
            assert_eq!(found(&cluster, store).await.unwrap(), cluster.config());
        }
        cluster.replicas[down].revive();
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_ever_held_a_config_the_user_is_told_what_to_do() {
    let (random, registry) = (Seeded::new(3), Registry::new());
    let metrics = ReplicaMetrics::new(&registry, "replica-0").unwrap();
    let replica = Scripted::new("replica-0", ReplicaId::random(&*random), metrics);
    let directory = FixedDirectory::default().with("replica-0", "", replica.clone());
    let membership = started(Arc::new(directory));
    let problem = load(&membership, None, LIMIT).await.unwrap_err();
    assert_eq!(
        problem,
        LoadProblem::NoConfig {
            problems: String::new()
        }
    );
    assert_eq!(
        problem.to_string(),
        "no replica has a config yet: run `quorate bootstrap`"
    );

    // A replica that does not answer may have one: then that is no advice to give.
    replica.kill();
    let problem = load(&membership, None, LIMIT).await.unwrap_err();
    let text = problem.to_string();
    assert!(
        text.starts_with("no config is known yet (replica-0: unreachable"),
        "{text}"
    );
    assert!(membership.view().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_active_config_that_is_older_is_followed_by_operations_not_by_the_start() {
    let cluster = Cluster::new(3).await;
    let newer = cluster.child(|_| ());
    cluster.replicas[0].hold(&newer).await;
    // The newer one may be on its way to be active, or never become it.
    assert_eq!(found(&cluster, None).await.unwrap(), cluster.config());
}

#[tokio::test(start_paused = true)]
async fn of_several_active_ones_the_newest_is_taken() {
    let cluster = Cluster::new(3).await;
    let newer = cluster.child(|_| ());
    let (_folder, store) = stored(&cluster.config(), true).await;
    let own = cluster.replicas[2].replica_id;
    let replica = cluster.replicas[2].replica();
    let adopted = quorate_register::Replica::adopt(&replica, own, &newer, true, LIMIT);
    adopted.await.unwrap();
    assert_eq!(
        found(&cluster, Some(&store)).await.unwrap().id(),
        newer.id()
    );
}

/// Replicas that hold a first config which nobody has recorded as active.
async fn unrecorded(holders: usize) -> (Cluster, Arc<Config>) {
    let cluster = Cluster::with(3, 6, crate::support::options()).await;
    let virgins = &cluster.replicas[3..];
    let member = |replica: &Arc<Scripted>| quorate_register::Member {
        replica_id: replica.replica_id,
        pod: replica.pod.clone(),
    };
    let members = virgins.iter().map(member).collect();
    let config = Arc::new(Config::first(members, &*cluster.random).unwrap());
    for replica in &virgins[..holders] {
        replica.hold(&config).await;
    }
    (cluster, config)
}

fn directory_of(replicas: &[Arc<Scripted>]) -> Arc<FixedDirectory> {
    let directory = replicas
        .iter()
        .fold(FixedDirectory::default(), |directory, replica| {
            directory.with(&replica.pod, "", replica.clone())
        });
    Arc::new(directory)
}

#[tokio::test(start_paused = true)]
async fn a_first_config_that_all_can_take_is_proven_and_recorded() {
    // The process that made it died when only one replica had it.
    for holders in 1..=3 {
        let (cluster, config) = unrecorded(holders).await;
        let virgins = &cluster.replicas[3..];
        let (_folder, store) = stored(&config, false).await;
        let membership = started(directory_of(virgins));
        load(&membership, Some(&store), LIMIT).await.unwrap();
        assert_eq!(membership.view().unwrap().config().id(), config.id());
        for replica in virgins {
            let held = replica.replica().config().unwrap();
            assert_eq!((held.config.id(), held.active), (config.id(), true));
        }
        assert!(store.read().await.unwrap().unwrap().active);
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_config_that_one_cannot_take_is_not_operated_under() {
    let (cluster, config) = unrecorded(2).await;
    let virgins = &cluster.replicas[3..];
    virgins[2].kill();
    let (_folder, store) = stored(&config, false).await;
    let membership = started(directory_of(virgins));
    let problem = load(&membership, Some(&store), LIMIT).await.unwrap_err();
    let text = problem.to_string();
    let expected = "the config of epoch 1 is not proven active yet (replica-5: unreachable";
    assert!(text.starts_with(expected), "{text}");
    assert!(membership.view().is_none());
    // Once it is back, it is proven.
    virgins[2].revive();
    load(&membership, Some(&store), LIMIT).await.unwrap();
    assert!(membership.view().is_some());
}

#[tokio::test(start_paused = true)]
async fn looking_ends_though_what_is_found_cannot_be_proven() {
    // All hold the first config or a child of it, so the first is proven; but the child, which
    // a replica is ahead with, nobody else takes.
    let (cluster, config) = unrecorded(3).await;
    let virgins = &cluster.replicas[3..];
    let newer = child(&config, &*cluster.random, |_| ());
    virgins[2].hold(&newer).await;
    // The one that is ahead did not answer when it was asked what it holds.
    let mut asked = 0;
    virgins[2].script(move |seen| {
        asked += u32::from(seen.method == "identify");
        if asked == 1 { Act::Hang } else { Act::Serve }
    });
    for replica in &virgins[..2] {
        let newer = newer.clone();
        replica.script(move |seen| match &seen.offered {
            Some((offered, _)) if offered.id() == newer.id() => Act::Hang,
            _ => Act::Serve,
        });
    }
    let membership = started(directory_of(virgins));
    let problem = load(&membership, None, LIMIT).await.unwrap_err();
    assert!(
        matches!(problem, LoadProblem::NotActive { .. }),
        "{problem}"
    );
    virgins
        .iter()
        .for_each(|replica| replica.always(Act::Serve));
    load(&membership, None, LIMIT).await.unwrap();
    assert_eq!(membership.view().unwrap().config().id(), newer.id());
}

#[tokio::test(start_paused = true)]
async fn replicas_of_two_clusters_are_not_mixed_up() {
    let (ours, theirs) = (Cluster::new(2).await, Cluster::new(1).await);
    let mut directory = FixedDirectory::default();
    for (pod, replica) in ["a", "b"].into_iter().zip(&ours.replicas) {
        directory = directory.with(pod, "", replica.clone());
    }
    let directory = Arc::new(directory.with("c", "", theirs.replicas[0].clone()));
    let membership = started(directory.clone());
    let problem = load(&membership, None, LIMIT).await.unwrap_err();
    let text = problem.to_string();
    let cluster = theirs.config().cluster_id();
    assert!(
        text.starts_with("the replicas belong to different clusters (a: ")
            && text.contains(&format!("c: {cluster}")),
        "{text}"
    );
    // The config store says which one is meant.
    let (_folder, store) = stored(&ours.config(), true).await;
    load(&membership, Some(&store), LIMIT).await.unwrap();
    assert_eq!(membership.view().unwrap().config().id(), ours.config().id());
}

/// The object is as it should be, so it is not what people must hear about.
#[tokio::test(start_paused = true)]
async fn a_recovery_names_the_majority_that_is_missing_though_the_object_is_there() {
    let cluster = Cluster::new(3).await;
    let (_folder, store) = stored(&cluster.config(), true).await;
    let refused = async || {
        let (directory, entropy) = (&*cluster.directory, Seeded::new(7));
        let recovered = recover(directory, &store, &*entropy, LIMIT, false).await;
        recovered.unwrap_err().to_string()
    };
    let nothing = refused().await;
    assert!(
        nothing.starts_with("there is nothing to recover"),
        "{nothing}"
    );
    hang(&cluster.replicas[1..]);
    let missing = refused().await;
    for word in ["replica-1, replica-2", "--force-data-loss"] {
        assert!(missing.contains(word), "{missing}");
    }
    assert!(!missing.contains("nothing to recover"), "{missing}");
}
