//! The config changes during an operation.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::{
    Applied, Config, Epoch, Key, Member, Reason, Register, Replica, ReplicaError, Timestamp,
};
use tokio::time::Instant;

use crate::support::{Act, Cluster, Scripted, key, options, pair};

fn member(replica: &Scripted) -> Member {
    Member {
        replica_id: replica.replica_id,
        pod: replica.pod.clone(),
    }
}

fn number(epoch: u64) -> Epoch {
    Epoch {
        recovery: 0,
        number: epoch,
    }
}

/// The epochs under which requests of this method came, each as often as it changed: a replica
/// that is told the config first is asked twice.
fn epochs(replica: &Scripted, method: &str) -> Vec<u64> {
    let seen = replica.seen(method).into_iter();
    let mut epochs: Vec<_> = seen.map(|seen| seen.fence.unwrap().epoch.number).collect();
    epochs.dedup();
    epochs
}

/// The timestamps that a replica was asked to store for `key`, each as often as it changed.
fn timestamps(replica: &Scripted, key: &Key) -> Vec<Timestamp> {
    let writes = replica.seen("local_write").into_iter();
    let writes = writes.filter_map(|seen| seen.write);
    let writes = writes.filter(|write| write.key == *key);
    let mut timestamps: Vec<_> = writes.map(|write| write.pair.timestamp).collect();
    timestamps.dedup();
    timestamps
}

#[tokio::test(start_paused = true)]
async fn a_get_follows_a_newer_config_once_it_is_proven_active() {
    let cluster = Cluster::new(3).await;
    let key = key("k");
    cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();
    cluster.replicas.iter().for_each(|replica| replica.clear());
    // One replica holds it; whether it is active is for the coordinator to prove.
    let newer = cluster.child(|_| ());
    cluster.replicas[0].hold(&newer).await;

    let entry = cluster.coordinator.get(&key, None).await.unwrap();

    assert_eq!(entry.value, Some("v".into()));
    assert_eq!(cluster.config().id(), newer.id());
    assert_eq!(epochs(&cluster.replicas[0], "local_read"), [1, 2]);
    // A majority of the parent's group holds it now, whoever did before.
    let holds = |replica: &&Arc<Scripted>| {
        let held = replica.replica().config().unwrap();
        held.config.id() == newer.id()
    };
    assert!(cluster.replicas.iter().filter(holds).count() >= 2);
}

#[tokio::test(start_paused = true)]
async fn answers_of_an_older_round_are_dropped() {
    // The first replica answers under the old config at once, with the largest pair. Under
    // the new config it hangs: its old answer must not count.
    let cluster = Cluster::new(3).await;
    let (key, old) = (key("k"), cluster.config());
    cluster.replicas[0]
        .put(&old, &key, &pair(&key, 9, "early"))
        .await;
    cluster.replicas[0].script(|seen| match seen.fence {
        Some(fence) if fence.epoch == number(2) => Act::Hang,
        _ => Act::Serve,
    });
    let newer = cluster.child(|_| ());
    for replica in &cluster.replicas[1..] {
        replica.hold(&newer).await;
        replica.on("local_read", Act::ServeAfter(Duration::from_millis(5)));
    }
    let entry = cluster.coordinator.get(&key, None).await.unwrap();
    // It never completed, and the quorum under the new config does not know it.
    assert_eq!(entry.value, None);
    assert_eq!(epochs(&cluster.replicas[0], "local_read"), [1, 2]);
    for replica in &cluster.replicas[1..] {
        assert_eq!(epochs(replica, "local_read"), [1, 2]);
    }
}

/// Has every replica move to `newer` when the first LocalWrite arrives anywhere.
fn change_at_the_first_write(cluster: &Cluster, newer: &Arc<Config>) {
    let replicas = cluster.replicas.clone();
    let moved = Arc::new(std::sync::atomic::AtomicBool::new(false));
    for replica in &cluster.replicas {
        let (replicas, newer, moved) = (replicas.clone(), newer.clone(), moved.clone());
        replica.script(move |seen| {
            let first = seen.method == "local_write"
                && !moved.swap(true, std::sync::atomic::Ordering::Relaxed);
            if first {
                for replica in &replicas {
                    let own = replica.replica_id;
                    let (replica, newer) = (replica.replica(), newer.clone());
                    tokio::spawn(async move {
                        let limit = Duration::from_secs(1);
                        replica.adopt(own, &newer, false, limit).await
                    });
                }
            }
            match seen.method {
                // Adoptions come first.
                "local_write" => Act::ServeAfter(Duration::from_millis(10)),
                _ => Act::Serve,
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_in_its_second_phase_keeps_its_timestamp_and_never_repeats_the_first() {
    let cluster = Cluster::new(3).await;
    let key = key("k");
    let newer = cluster.child(|_| ());
    change_at_the_first_write(&cluster, &newer);

    let version = cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();

    assert_eq!(cluster.config().id(), newer.id());
    for replica in &cluster.replicas {
        assert!(!epochs(replica, "local_read_timestamp").contains(&2));
        assert_eq!(epochs(replica, "local_write"), [1, 2]);
        assert_eq!(timestamps(replica, &key), [version.0]);
        assert_eq!(replica.stored(&key).unwrap().timestamp, version.0);
        // The pair was picked under the first config, wherever it is stored.
        for seen in replica.seen("local_write") {
            assert_eq!(seen.write.unwrap().origin, number(1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_in_its_first_phase_runs_that_again() {
    let cluster = Cluster::new(3).await;
    let (key, newer) = (key("k"), cluster.child(|_| ()));
    for replica in &cluster.replicas {
        replica.hold(&newer).await;
    }
    let version = cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();
    assert_eq!(epochs(&cluster.replicas[0], "local_read_timestamp"), [1, 2]);
    for replica in &cluster.replicas {
        assert_eq!(epochs(replica, "local_write"), [2]);
        assert_eq!(timestamps(replica, &key), [version.0]);
    }
}

#[tokio::test(start_paused = true)]
async fn under_a_joint_config_both_groups_are_asked() {
    let cluster = Cluster::with(3, 6, options()).await;
    let key = key("k");
    let next: Vec<_> = cluster.replicas[3..].iter().map(|r| member(r)).collect();
    let joint = cluster.child(|parts| parts.next = Some(next));
    change_at_the_first_write(&cluster, &joint);
    let version = cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();
    assert_eq!(cluster.config().id(), joint.id());
    let has = |replica: &&Arc<Scripted>| replica.stored(&key).is_some();
    assert!(cluster.replicas[..3].iter().filter(has).count() >= 2);
    assert!(cluster.replicas[3..].iter().filter(has).count() >= 2);
    for replica in cluster.replicas.iter().filter(has) {
        assert_eq!(replica.stored(&key).unwrap().timestamp, version.0);
    }
    // Those of the next group were not even told of it before it was active.
    for replica in &cluster.replicas[3..] {
        for seen in replica.seen("adopt") {
            assert!(seen.offered.unwrap().1, "told only what is proven active");
        }
    }
    // Without a majority of the next group there is none, however many answer.
    cluster.replicas[3..5]
        .iter()
        .for_each(|replica| replica.always(Act::Hang));
    cluster.replicas[..3]
        .iter()
        .for_each(|replica| replica.always(Act::Serve));
    let error = cluster.coordinator.get(&key, None).await.unwrap_err();
    assert_eq!(error.details["received/current"], "3");
    assert_eq!(error.details["received/next"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_get_whose_config_changes_during_the_write_back_begins_again() {
    let cluster = Cluster::new(3).await;
    let (key, old) = (key("k"), cluster.config());
    cluster.replicas[0]
        .put(&old, &key, &pair(&key, 5, "largest"))
        .await;
    let newer = cluster.child(|_| ());
    change_at_the_first_write(&cluster, &newer);
    // All are read, so that the one that has it is in the quorum under either config.
    let entry = cluster.coordinator.get(&key, None).await.unwrap();
    let reads = epochs(&cluster.replicas[0], "local_read");
    match entry.value {
        Some(value) => {
            assert_eq!(value, "largest");
            assert_eq!(reads, [1, 2], "the read phase ran again");
        }
        None => panic!("the first replica was not in the quorum"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_config_that_is_not_proven_active_is_not_operated_under() {
    for (phase, method, applied) in [
        ("read", "local_read_timestamp", Applied::No),
        ("write", "local_write", Applied::Maybe),
    ] {
        let cluster = Cluster::new(3).await;
        let (old, newer) = (cluster.config(), cluster.child(|_| ()));
        let answer = newer.clone();
        cluster.replicas[0].script(move |seen| match seen.method == method {
            true => Act::Fail(ReplicaError::StaleEpoch {
                config: answer.clone(),
            }),
            false => Act::Serve,
        });
        // The others do not adopt it: no majority holds it.
        for replica in &cluster.replicas[1..] {
            replica.script(move |seen| match seen.method {
                "adopt" => Act::Hang,
                seen if seen == method => Act::ServeAfter(Duration::from_millis(20)),
                _ => Act::Serve,
            });
        }
        let (key, begun) = (key("k"), Instant::now());
        let timeout = Duration::from_secs(3);
        let result = cluster.coordinator.set(&key, "v".into(), Some(timeout));
        let error = result.await.unwrap_err();
        assert!(begun.elapsed() < timeout);
        assert_eq!((error.reason, error.applied), (Reason::NoQuorum, applied));
        assert_eq!(error.details["phase"], phase);
        let obstacle = "a replica is at epoch 2, which is not proven active yet";
        assert!(error.message.contains(obstacle), "{}", error.message);
        assert_eq!(cluster.config().id(), old.id());
    }
}

#[tokio::test(start_paused = true)]
async fn several_changes_are_followed_to_the_last() {
    let cluster = Cluster::new(3).await;
    let second = cluster.child(|_| ());
    let third = crate::support::child(&second, &*cluster.random, |_| ());
    cluster.replicas[0].hold(&second).await;
    for replica in &cluster.replicas[1..] {
        replica.hold(&second).await;
        replica.hold(&third).await;
    }
    // The first to answer knows only the second config.
    for replica in &cluster.replicas[1..] {
        replica.on("local_read", Act::ServeAfter(Duration::from_millis(5)));
    }
    cluster.coordinator.get(&key("k"), None).await.unwrap();
    assert_eq!(cluster.config().id(), third.id());
}

#[tokio::test(start_paused = true)]
async fn many_operations_that_meet_a_newer_config_wait_for_one_proof() {
    let cluster = Cluster::new(3).await;
    let newer = cluster.child(|_| ());
    for replica in &cluster.replicas {
        replica.hold(&newer).await;
    }
    let calls = (0..100).map(|_| async {
        let key = key("k");
        cluster.coordinator.get(&key, None).await.unwrap();
    });
    futures::future::join_all(calls).await;
    for replica in &cluster.replicas {
        let offers = replica.seen("adopt").into_iter();
        let proofs = offers.filter(|seen| !seen.offered.as_ref().unwrap().1);
        assert!(proofs.count() <= 1, "one proof, not a hundred");
    }
}

/// A config with the first replica alone, which has recorded that it is active.
async fn shrink_to_the_first(cluster: &Cluster) -> Arc<Config> {
    let first = &cluster.replicas[0];
    let alone = cluster.child(|parts| parts.current = vec![member(first)]);
    let (replica, limit) = (first.replica(), Duration::from_secs(1));
    let adopted = replica.adopt(first.replica_id, &alone, true, limit).await;
    adopted.unwrap();
    alone
}

#[tokio::test(start_paused = true)]
async fn members_that_left_and_are_silent_are_not_waited_for() {
    let cluster = Cluster::new(3).await;
    for replica in &cluster.replicas[1..] {
        replica.always(Act::Hang);
    }
    let (key, timeout) = (key("k"), Duration::from_secs(5));
    let get = cluster.coordinator.get(&key, Some(timeout));
    let change = async {
        // The first has answered by now, under the config before.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let alone = shrink_to_the_first(&cluster).await;
        cluster.coordinator.membership().install(alone);
    };
    let begun = Instant::now();
    let (answer, ()) = tokio::join!(get, change);
    answer.expect("the config that others learnt of is followed");
    assert!(begun.elapsed() < timeout / 2);
    assert_eq!(epochs(&cluster.replicas[0], "local_read"), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn where_disks_were_replaced_those_that_answered_are_asked_again() {
    let cluster = Cluster::new(3).await;
    let replaced = Arc::new(std::sync::atomic::AtomicBool::new(false));
    for replica in &cluster.replicas[1..] {
        let replaced = replaced.clone();
        replica.script(move |_| {
            let problem = "scripted".to_owned();
            Act::Fail(match replaced.load(std::sync::atomic::Ordering::Relaxed) {
                true => ReplicaError::WrongReplica { problem },
                false => ReplicaError::Unreachable { problem },
            })
        });
    }
    let key = key("k");
    let change = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        shrink_to_the_first(&cluster).await;
        replaced.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let (answer, ()) = tokio::join!(cluster.coordinator.get(&key, None), change);
    answer.expect("the first knows the config that has it alone");
    assert_eq!(epochs(&cluster.replicas[0], "local_read"), [1, 2]);
}
