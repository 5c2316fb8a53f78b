//! Replicas that hold another config than the coordinator, or pretend to.

use std::time::Duration;

use quorate_register::{Reason, Register, ReplicaError};
use tokio::time::Instant;

use crate::support::{Act, Cluster, key, until};

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_behind_is_sent_the_config_and_asked_again_at_once() {
    let cluster = Cluster::new(3).await;
    let newer = cluster.child(|_| ());
    for replica in &cluster.replicas[..2] {
        replica.hold(&newer).await;
    }
    cluster.membership.follow(&newer).await;
    cluster.replicas[0].always(Act::Hang);
    cluster.replicas.iter().for_each(|replica| replica.clear());
    // Whether it was told during the proof or not, it is behind again now.
    let behind = cluster.replicas[2].clone();
    let mut told = false;
    behind.script(move |seen| {
        told |= seen.method == "adopt";
        match told {
            true => Act::Serve,
            false => Act::Fail(ReplicaError::NeedConfig),
        }
    });

    let begun = Instant::now();
    cluster.coordinator.get(&key("k"), None).await.unwrap();

    assert_eq!(begun.elapsed(), Duration::ZERO, "there was no pause");
    let adopts = behind.seen("adopt");
    assert_eq!(adopts.len(), 1);
    let (offered, active) = adopts[0].offered.clone().unwrap();
    assert_eq!((offered.id(), active), (newer.id(), true));
    assert_eq!(behind.seen("local_read").len(), 2);
    let held = behind.replica().config().unwrap();
    assert_eq!((held.config.id(), held.active), (newer.id(), true));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_only_pretends_to_be_ahead_is_asked_again_with_pauses() {
    // It names the config that the coordinator has. Following it would lead nowhere, as fast
    // as the processor allows.
    let cluster = Cluster::new(3).await;
    let config = cluster.config();
    for replica in &cluster.replicas[1..] {
        let config = config.clone();
        replica.always(Act::Fail(ReplicaError::StaleEpoch { config }));
    }
    let timeout = Some(Duration::from_secs(1));
    let error = cluster
        .coordinator
        .get(&key("k"), timeout)
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::NoQuorum);
    assert!(error.details["cause/replica-1"].contains("stale epoch"));
    let attempts = cluster.replicas[1].seen("local_read").len();
    assert!(attempts < 1000, "{attempts} attempts in a second");
}

#[tokio::test(start_paused = true)]
async fn a_replica_of_another_store_leads_nobody_astray() {
    let (cluster, other) = (Cluster::new(3).await, Cluster::new(1).await);
    let foreign = other.child(|_| ());
    let (answer, own) = (foreign.clone(), cluster.config());
    cluster.replicas[0].always(Act::Fail(ReplicaError::StaleEpoch { config: answer }));
    cluster
        .coordinator
        .set(&key("k"), "v".into(), None)
        .await
        .unwrap();
    assert_eq!(cluster.config().id(), own.id());
}

#[tokio::test(start_paused = true)]
async fn a_fork_that_was_never_active_gives_way_and_is_never_followed() {
    let cluster = Cluster::new(3).await;
    let (ours, theirs) = (cluster.child(|_| ()), cluster.child(|_| ()));
    cluster.replicas[2].hold(&theirs).await;
    cluster.membership.follow(&ours).await;
    cluster
        .coordinator
        .set(&key("k"), "v".into(), None)
        .await
        .unwrap();
    assert_eq!(cluster.config().id(), ours.id());
    assert!(cluster.replicas[2].metrics.violations() > 0, "an alarm");
    let held = || cluster.replicas[2].replica().config().unwrap().config.id();
    until("the fork gave way", held, |id| *id == ours.id()).await;
}

#[tokio::test(start_paused = true)]
async fn a_fork_whose_first_answer_is_lost_gives_way_all_the_same() {
    let cluster = Cluster::new(3).await;
    let (ours, theirs) = (cluster.child(|_| ()), cluster.child(|_| ()));
    cluster.replicas[2].hold(&theirs).await;
    cluster.membership.follow(&ours).await;
    cluster.replicas[0].always(Act::Hang);
    cluster.replicas[2].clear();
    let mut asked = false;
    cluster.replicas[2].script(move |seen| match seen.method == "adopt" && !asked {
        true => {
            asked = true;
            Act::Hang
        }
        false => Act::Serve,
    });
    let key = key("k");
    let set = cluster.coordinator.set(&key, "v".into(), None);
    set.await.unwrap();
    assert_eq!(cluster.replicas[2].seen("adopt").len(), 2);
    assert!(cluster.replicas[2].stored(&key).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_config_that_nobody_holds_any_more_leads_to_the_one_they_hold() {
    let cluster = Cluster::new(3).await;
    let (ours, theirs) = (cluster.child(|_| ()), cluster.child(|_| ()));
    for replica in &cluster.replicas {
        replica.hold(&ours).await;
    }
    let follow = cluster.membership.follow(&theirs);
    let followed = tokio::time::timeout(Duration::from_secs(5), follow).await;
    assert_eq!(followed.unwrap().config().id(), ours.id());
}
