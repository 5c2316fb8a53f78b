//! The slower writes of a quorum go on in the background, within a fixed, counted budget.

use std::time::Duration;

use quorate_coordinator::LiveSnapshot;
use quorate_register::{Register, ReplicaError};

use crate::support::{Act, Cluster, key, options, until};

const CANCELLED: &str = "quorate_cancelled_attempts_total";

async fn all_is_quiet(cluster: &Cluster) {
    let live = || cluster.coordinator.live();
    until("background", live, |live| *live == LiveSnapshot::default()).await;
}

#[tokio::test(start_paused = true)]
async fn a_slower_replica_gets_the_value_though_the_set_returned() {
    let cluster = Cluster::new(3).await;
    let key = key("k");
    let late = Duration::from_millis(700);
    cluster.replicas[2].on("local_write", Act::ServeAfter(late));

    let version = cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();

    assert_eq!(cluster.replicas[2].stored(&key), None);
    let live = cluster.coordinator.live();
    assert_eq!(
        (live.operations, live.background_writes, live.attempts),
        (0, 1, 1)
    );
    cluster.coordinator.observe();
    let gauge = "quorate_background_writes_in_flight";
    assert_eq!(cluster.count(gauge, &[]), 1);
    all_is_quiet(&cluster).await;
    assert_eq!(
        cluster.replicas[2].stored(&key).unwrap().timestamp,
        version.0
    );
    cluster.coordinator.observe();
    assert_eq!(cluster.count(gauge, &[]), 0);
    assert_eq!(cluster.count(CANCELLED, &[]), 1, "the slower read");
}

#[tokio::test(start_paused = true)]
async fn slower_reads_do_not_go_on() {
    let cluster = Cluster::new(3).await;
    cluster.replicas[2].always(Act::Hang);
    cluster.coordinator.get(&key("k"), None).await.unwrap();
    assert_eq!(cluster.coordinator.live(), LiveSnapshot::default());
    assert_eq!(cluster.replicas[2].in_flight(), 0);
    assert_eq!(cluster.count(CANCELLED, &[("reason", "quorum")]), 1);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_budget_of_writes_they_are_dropped() {
    let mut options = options();
    options.quorum.background_writes = 2;
    let cluster = Cluster::with(3, 3, options).await;
    cluster.replicas[2].on("local_write", Act::ServeAfter(Duration::from_millis(300)));
    let keys = ["a", "b", "c"].map(key);
    for key in &keys {
        cluster
            .coordinator
            .set(key, "v".into(), None)
            .await
            .unwrap();
    }
    assert_eq!(cluster.coordinator.live().background_writes, 2);
    assert_eq!(cluster.count(CANCELLED, &[("reason", "budget")]), 1);
    all_is_quiet(&cluster).await;
    let stored = keys
        .each_ref()
        .map(|key| cluster.replicas[2].stored(key).is_some());
    assert_eq!(stored, [true, true, false]);

    // What was given back can be used again.
    cluster
        .coordinator
        .set(&keys[2], "w".into(), None)
        .await
        .unwrap();
    assert_eq!(cluster.coordinator.live().background_writes, 1);
    all_is_quiet(&cluster).await;
    assert!(cluster.replicas[2].stored(&keys[2]).is_some());
}

#[tokio::test(start_paused = true)]
async fn beyond_the_budget_of_bytes_they_are_dropped() {
    let mut options = options();
    options.quorum.background_bytes = 1000;
    let cluster = Cluster::with(5, 5, options).await;
    for replica in &cluster.replicas[3..] {
        replica.on("local_write", Act::ServeAfter(Duration::from_millis(300)));
    }
    // Two slower replicas share one value: it counts once.
    let value = vec![1; 600];
    cluster
        .coordinator
        .set(&key("a"), value.clone().into(), None)
        .await
        .unwrap();
    assert_eq!(cluster.coordinator.live().background_writes, 2);
    cluster
        .coordinator
        .set(&key("b"), value.into(), None)
        .await
        .unwrap();
    assert_eq!(cluster.coordinator.live().background_writes, 2);
    assert_eq!(cluster.count(CANCELLED, &[("reason", "budget")]), 2);
    cluster
        .coordinator
        .set(&key("c"), "small".into(), None)
        .await
        .unwrap();
    assert_eq!(cluster.coordinator.live().background_writes, 4);
    all_is_quiet(&cluster).await;
}

#[tokio::test(start_paused = true)]
async fn they_are_given_up_after_a_while() {
    let cluster = Cluster::new(3).await;
    cluster.replicas[2].on("local_write", Act::Hang);
    cluster
        .coordinator
        .set(&key("k"), "v".into(), None)
        .await
        .unwrap();
    assert_eq!(cluster.coordinator.live().background_writes, 1);
    all_is_quiet(&cluster).await;
    assert_eq!(
        cluster.count(CANCELLED, &[("reason", "background_timeout")]),
        1
    );
    assert_eq!(cluster.replicas[2].in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn they_are_tried_again_also_after_the_deadline_of_the_operation() {
    let cluster = Cluster::new(3).await;
    let key = key("k");
    let mut tries = 0;
    cluster.replicas[2].script(move |seen| {
        if seen.method != "local_write" {
            return Act::Serve;
        }
        tries += 1;
        match tries {
            1 => Act::Hang,
            2..=9 => Act::Fail(ReplicaError::Overloaded { limit: 1 }),
            _ => Act::Serve,
        }
    });
    let deadline = Duration::from_millis(50);
    cluster
        .coordinator
        .set(&key, "v".into(), Some(deadline))
        .await
        .unwrap();
    all_is_quiet(&cluster).await;
    assert!(cluster.replicas[2].stored(&key).is_some());
    let writes = cluster.replicas[2].seen("local_write");
    assert!(writes[0].timeout < deadline);
    assert!(writes[9].at - writes[0].at > deadline / 2);
    assert!(
        writes[9].timeout > deadline,
        "not what was left to the operation"
    );
}

#[tokio::test(start_paused = true)]
async fn they_keep_the_epoch_of_their_round_and_follow_no_new_config() {
    let cluster = Cluster::new(3).await;
    let (key, old) = (key("k"), cluster.config());
    cluster.replicas[2].on("local_write", Act::ServeAfter(Duration::from_millis(200)));
    cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();
    // Before it arrives, the slower replica moves on to a newer config.
    cluster.replicas[2].hold(&cluster.child(|_| ())).await;
    all_is_quiet(&cluster).await;

    let writes = cluster.replicas[2].seen("local_write");
    assert_eq!(
        writes.len(),
        1,
        "it was refused as stale, and that was the end of it"
    );
    assert_eq!(writes[0].fence.unwrap().epoch, old.epoch());
    assert_eq!(cluster.replicas[2].stored(&key), None);
    assert_eq!(cluster.config().epoch(), old.epoch());
    for replica in &cluster.replicas {
        assert!(replica.seen("adopt").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn they_end_with_the_stop_token() {
    let cluster = Cluster::new(3).await;
    cluster.replicas[2].on("local_write", Act::Hang);
    cluster
        .coordinator
        .set(&key("k"), "v".into(), None)
        .await
        .unwrap();
    cluster.stop.cancel();
    let before = tokio::time::Instant::now();
    cluster.coordinator.ended().await;
    assert_eq!(before.elapsed(), Duration::ZERO, "nothing was waited for");
    assert_eq!(cluster.coordinator.live(), LiveSnapshot::default());
    assert_eq!(cluster.count(CANCELLED, &[("reason", "stop")]), 1);
}

#[tokio::test(start_paused = true)]
async fn the_slower_acknowledgements_of_a_write_back_go_on_too() {
    let cluster = Cluster::new(5).await;
    let (key, config) = (key("k"), cluster.config());
    let largest = crate::support::pair(&key, 5, "largest");
    cluster.replicas[0].put(&config, &key, &largest).await;
    for replica in &cluster.replicas[3..] {
        replica.on("local_write", Act::ServeAfter(Duration::from_millis(100)));
    }
    // All answer the read, so that the one that has it is in the quorum for sure.
    for replica in &cluster.replicas[1..] {
        let late = Act::ServeAfter(Duration::from_millis(5));
        let slow = Act::ServeAfter(Duration::from_millis(100));
        let behind = replica.pod == "replica-3" || replica.pod == "replica-4";
        replica.script(move |seen| match seen.method {
            "local_read" => late.clone(),
            "local_write" if behind => slow.clone(),
            _ => Act::Serve,
        });
    }
    cluster.coordinator.get(&key, None).await.unwrap();
    assert_eq!(cluster.coordinator.live().background_writes, 2);
    all_is_quiet(&cluster).await;
    for replica in &cluster.replicas {
        assert_eq!(
            replica.stored(&key).as_ref(),
            Some(&largest),
            "{}",
            replica.pod
        );
    }
}
