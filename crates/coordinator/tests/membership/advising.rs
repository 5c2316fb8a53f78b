//! What replicas that were told to end hear from a coordinator.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use prometheus::Registry;
use quorate_coordinator::CoordinatorMetrics;
use quorate_coordinator::membership::{
    FixedDirectory, Membership, News, ScaleRefused, WishUnknown, Workload, advice, advise_all,
    bootstrap,
};
use quorate_register::{
    Advice, ClusterId, Config, ConfigId, ConfigParts, DiskBoots, Epoch, HeldConfig, Identity,
    Member, Replica, ReplicaId,
};
use quorate_replica::memory::MemoryStore;
use quorate_replica::{Departure, LocalReplica, ReplicaMetrics, ReplicaOptions};
use tokio::time::{Instant, timeout};

use crate::support::Seeded;

const LIMIT: Duration = Duration::from_secs(10);

/// A number of pods that is wanted, or why nobody knows; and how often somebody asked.
struct Wish(Mutex<(Result<usize, &'static str>, usize)>);

impl Wish {
    fn set(&self, wish: Result<usize, &'static str>) {
        self.0.lock().0 = wish;
    }
}

#[async_trait]
impl Workload for Wish {
    fn wanted(&self) -> Option<Arc<[String]>> {
        panic!("what is remembered may be older than the wish to end a replica")
    }

    async fn wanted_now(&self) -> Result<Option<Arc<[String]>>, WishUnknown> {
        let mut wish = self.0.lock();
        wish.1 += 1;
        let size = wish.0.map_err(|problem| WishUnknown(problem.to_owned()))?;
        Ok(Some((0..size).map(|n| format!("r-{n}")).collect()))
    }

    async fn scale(&self, _: usize) -> Result<(), ScaleRefused> {
        Err(ScaleRefused("nobody asks for it here".to_owned()))
    }

    fn announce(&self, _: &News) {}
}

/// Whether the replica serves on for as long as nobody says anything else.
async fn is_held(departure: &Departure) -> bool {
    let ended = departure.ended(Instant::now() + LIMIT);
    timeout(100 * LIMIT, ended).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_member_is_held_until_a_config_without_it_is_active() {
    let random = Seeded::new(1);
    let mut directory = FixedDirectory::default();
    let mut departures = Vec::new();
    for number in 0..3 {
        let (pod, departure) = (format!("r-{number}"), Departure::default());
        let options = ReplicaOptions {
            departure: departure.clone(),
            ..ReplicaOptions::new(ReplicaId::random(&*random), &pod)
        };
        let metrics = ReplicaMetrics::new(&Registry::new(), &pod).unwrap();
        let store = MemoryStore::open(Arc::default());
        let (replica, committer) = LocalReplica::new(store, options, metrics);
        tokio::spawn(committer.run());
        directory = directory.with(&pod, "here", Arc::new(replica));
        departures.push(departure);
    }
    let config = bootstrap(&directory, None, &*random, LIMIT).await.unwrap();
    let metrics = CoordinatorMetrics::new(&Registry::new()).unwrap();
    let membership = Membership::new(Arc::new(directory), random.clone(), metrics);
    let wish = Wish(Mutex::new((Ok(2), 0)));
    let advised = async || advise_all(&membership, &wish, LIMIT).await;

    // While no config is known to be active, nobody is told anything.
    departures[2].begin();
    advised().await;
    membership.install(config.clone());
    // Nor while it cannot be asked what is wanted.
    wish.set(Err("the API is away"));
    advised().await;
    assert!(!is_held(&departures[2]).await, "nobody said anything");

    wish.set(Ok(2));
    advised().await;
    assert!(is_held(&departures[2]).await);
    wish.set(Err("the API is away"));
    advised().await;
    assert!(is_held(&departures[2]).await);

    wish.set(Ok(2));
    let next = config.parts().current[..2].to_vec();
    let joint = config.joint(next, &*random).unwrap();
    membership.install(Arc::new(joint.clone()));
    advised().await;
    assert!(is_held(&departures[2]).await, "the old group still counts");
    membership.install(Arc::new(joint.finish(&*random).unwrap()));
    advised().await;
    assert!(!is_held(&departures[2]).await);

    // One that is wanted leaves at once.
    departures[0].begin();
    advised().await;
    assert!(!is_held(&departures[0]).await);
    assert!(!departures[1].is_under_way());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_of_the_api_while_nobody_leaves() {
    let random = Seeded::new(2);
    let options = ReplicaOptions::new(ReplicaId::random(&*random), "r-0");
    let metrics = ReplicaMetrics::new(&Registry::new(), "r-0").unwrap();
    let (replica, committer) =
        LocalReplica::new(MemoryStore::open(Arc::default()), options, metrics);
    tokio::spawn(committer.run());
    let replica: Arc<dyn Replica> = Arc::new(replica);
    let directory = FixedDirectory::default().with("r-0", "here", replica);
    let config = bootstrap(&directory, None, &*random, LIMIT).await.unwrap();
    let metrics = CoordinatorMetrics::new(&Registry::new()).unwrap();
    let membership = Membership::new(Arc::new(directory), random, metrics);
    membership.install(config);
    let wish = Wish(Mutex::new((Ok(1), 0)));
    advise_all(&membership, &wish, LIMIT).await;
    assert_eq!(wish.0.lock().1, 0);
}

fn id(number: u8) -> ReplicaId {
    ReplicaId::from_bytes([number; 16])
}

fn config(epoch: u64, members: &[u8]) -> Arc<Config> {
    let member = |number: &u8| Member {
        replica_id: id(*number),
        pod: format!("r-{number}"),
    };
    let current: Vec<_> = members.iter().map(member).collect();
    let parts = ConfigParts {
        cluster_id: ClusterId::from_bytes([1; 16]),
        id: ConfigId::from_bytes([epoch as u8; 16]),
        epoch: Epoch {
            recovery: 0,
            number: epoch,
        },
        activators: current.clone(),
        current,
        next: None,
        ancestors: Vec::new(),
        retired: Vec::new(),
    };
    Arc::new(Config::new(parts).unwrap())
}

fn replica(number: u8, held: Option<Arc<Config>>) -> Identity {
    Identity {
        replica_id: id(number),
        pod: format!("r-{number}"),
        cluster_id: held.as_ref().map(|held| held.cluster_id()),
        config: held.map(|config| HeldConfig {
            config,
            active: true,
        }),
        keys: 0,
        disk_full: false,
        admitted: true,
        leaving: true,
        boots: DiskBoots::default(),
    }
}

/// (disk, in the place of, epoch of a config held that lists it, wanted) -> advice, under
/// {1, 2, 3} at epoch 5.
#[test]
fn each_case() {
    let active = config(5, &[1, 2, 3]);
    let (one, none) = (vec!["r-1".to_owned()], Vec::new());
    for (disk, pod, held, wanted, expected) in [
        (1, "r-1", Some(5), Some(&one), Advice::Wanted),
        (2, "r-2", Some(5), Some(&one), Advice::Unwanted),
        (2, "r-2", None, Some(&one), Advice::Unwanted),
        (2, "r-2", Some(5), None, Advice::Unknown),
        // The store is to stop.
        (2, "r-2", Some(5), Some(&none), Advice::Unknown),
        // Another disk in a member's place, wanted or not.
        (9, "r-1", None, Some(&one), Advice::Wanted),
        (9, "r-2", None, Some(&one), Advice::Removed),
        // No member any more, and one of a config that is newer than this coordinator.
        (4, "r-4", Some(4), Some(&one), Advice::Removed),
        (4, "r-4", Some(6), Some(&one), Advice::Unwanted),
    ] {
        let held = held.map(|epoch| config(epoch, &[disk]));
        let identity = replica(disk, held);
        let wanted = wanted.map(Vec::as_slice);
        let found = advice(pod, &identity, &active, wanted);
        assert_eq!(found, expected, "{disk} in {pod}, {wanted:?}");
    }
}
