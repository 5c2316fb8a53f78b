//! What every config store must do, whatever it is made of.

use std::sync::Arc;

use quorate_coordinator::membership::{ConfigStore, StoreVersion, StoredConfig, SwapOutcome};
use quorate_register::{Config, Entropy, Member, ReplicaId};

use crate::support::{Seeded, child};

/// Where there is one store, or none yet.
pub(crate) trait Place: Sync {
    type Store: ConfigStore + 'static;

    /// Another access to the one store.
    fn store(&self) -> Self::Store;

    /// Removes what is in the store, as somebody outside may.
    async fn delete(&self);
}

/// A first config of three members.
pub(crate) fn first(random: &dyn Entropy) -> Arc<Config> {
    let member = |n| Member {
        replica_id: ReplicaId::random(random),
        pod: format!("replica-{n}"),
    };
    Arc::new(Config::first((0..3).map(member).collect(), random).unwrap())
}

/// Runs every rule against an empty place each.
pub(crate) async fn conforms<P: Place>(place: impl Fn() -> P) {
    is_created_once(&place()).await;
    is_swapped_on_the_exact_version(&place()).await;
    versions_never_come_back(&place()).await;
    a_missing_object_is_not_swapped(&place()).await;
    an_object_made_again_is_another(&place()).await;
    of_concurrent_swaps_one_wins(&place()).await;
    of_concurrent_creates_one_wins(&place()).await;
}

fn swapped(outcome: SwapOutcome) -> StoreVersion {
    match outcome {
        SwapOutcome::Swapped(version) => version,
        SwapOutcome::Conflict => panic!("a conflict"),
    }
}

async fn read<S: ConfigStore>(store: &S) -> StoredConfig {
    let stored = store.read().await.expect("a readable store");
    stored.expect("something is stored")
}

async fn is_created_once<P: Place>(place: &P) {
    let (store, random) = (place.store(), Seeded::new(1));
    assert!(store.read().await.unwrap().is_none());
    let (config, other) = (first(&*random), first(&*random));
    let version = swapped(store.create(&config).await.unwrap());
    assert_eq!(store.create(&other).await.unwrap(), SwapOutcome::Conflict);
    assert_eq!(store.create(&config).await.unwrap(), SwapOutcome::Conflict);
    let stored = read(&place.store()).await;
    assert_eq!((&*stored.config, stored.active), (&*config, false));
    assert_eq!(stored.version, version);
}

async fn is_swapped_on_the_exact_version<P: Place>(place: &P) {
    let (store, random) = (place.store(), Seeded::new(2));
    let config = first(&*random);
    let created = swapped(store.create(&config).await.unwrap());
    let next = child(&config, &*random, |_| ());
    let second = swapped(store.swap(&created, &next, true).await.unwrap());
    assert_ne!(created, second);
    // The version acted on is the one that was read with the decision, never a later one.
    let late = child(&config, &*random, |_| ());
    let outcome = store.swap(&created, &late, true).await.unwrap();
    assert_eq!(outcome, SwapOutcome::Conflict);
    let unknown = StoreVersion("nonsense".into());
    let outcome = store.swap(&unknown, &late, true).await.unwrap();
    assert_eq!(outcome, SwapOutcome::Conflict);
    let stored = read(&place.store()).await;
    assert_eq!((&*stored.config, stored.active), (&*next, true));
    assert_eq!(stored.version, second);
}

async fn versions_never_come_back<P: Place>(place: &P) {
    let (store, random) = (place.store(), Seeded::new(3));
    let config = first(&*random);
    let mut versions = vec![swapped(store.create(&config).await.unwrap())];
    // The same content again and again, and back again.
    for active in [true, true, false, true, false] {
        let last = versions.last().unwrap();
        let version = swapped(store.swap(last, &config, active).await.unwrap());
        assert!(!versions.contains(&version), "{version:?} again");
        assert_eq!(read(&store).await.version, version);
        versions.push(version);
    }
    for old in &versions[..versions.len() - 1] {
        let outcome = store.swap(old, &config, true).await.unwrap();
        assert_eq!(outcome, SwapOutcome::Conflict);
    }
}

async fn a_missing_object_is_not_swapped<P: Place>(place: &P) {
    let (store, random) = (place.store(), Seeded::new(4));
    let config = first(&*random);
    let version = swapped(store.create(&config).await.unwrap());
    place.delete().await;
    assert!(store.read().await.unwrap().is_none());
    let outcome = store.swap(&version, &config, true).await.unwrap();
    assert_eq!(outcome, SwapOutcome::Conflict);
    assert!(
        store.read().await.unwrap().is_none(),
        "it was not made by a swap"
    );
}

async fn an_object_made_again_is_another<P: Place>(place: &P) {
    let (store, random) = (place.store(), Seeded::new(5));
    let (config, other) = (first(&*random), first(&*random));
    let created = swapped(store.create(&config).await.unwrap());
    // Made again with another content, and then with the very same: what was read before is
    // no longer there either way.
    for content in [&other, &config] {
        place.delete().await;
        let again = swapped(store.create(content).await.unwrap());
        assert_ne!(created, again);
        let outcome = store.swap(&created, &config, true).await.unwrap();
        assert_eq!(outcome, SwapOutcome::Conflict);
        assert_eq!(read(&store).await.config.id(), content.id());
    }
}

const SWAPPERS: u64 = 8;
const ROUNDS: usize = 25;

async fn of_concurrent_swaps_one_wins<P: Place>(place: &P) {
    let random = Seeded::new(6);
    let mut config = first(&*random);
    place.store().create(&config).await.unwrap();
    for _ in 0..ROUNDS {
        // All read the same before one of them swaps.
        let read = read(&place.store()).await;
        let tasks = (0..SWAPPERS).map(|_| {
            let (store, version) = (place.store(), read.version.clone());
            let mine = child(&config, &*random, |_| ());
            tokio::spawn(async move {
                let outcome = store.swap(&version, &mine, false).await.unwrap();
                (outcome, mine)
            })
        });
        let mut winners = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            if let (SwapOutcome::Swapped(version), mine) = task.await.unwrap() {
                winners.push((version, mine));
            }
        }
        assert_eq!(winners.len(), 1, "exactly one wins");
        let (version, winner) = winners.remove(0);
        let stored = self::read(&place.store()).await;
        assert_eq!((stored.config.id(), stored.version), (winner.id(), version));
        config = winner;
    }
}

async fn of_concurrent_creates_one_wins<P: Place>(place: &P) {
    let random = Seeded::new(7);
    for _ in 0..ROUNDS {
        let tasks = (0..SWAPPERS).map(|_| {
            let (store, mine) = (place.store(), first(&*random));
            tokio::spawn(async move {
                let outcome = store.create(&mine).await.unwrap();
                (outcome, mine.id())
            })
        });
        let mut winners = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            if let (SwapOutcome::Swapped(_), id) = task.await.unwrap() {
                winners.push(id);
            }
        }
        assert_eq!(winners, [read(&place.store()).await.config.id()]);
        place.delete().await;
    }
}
