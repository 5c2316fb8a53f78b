//! The client's deadline bounds an operation and each of its attempts.

use std::time::Duration;

use quorate_register::{Reason, Register, ReplicaError};
use tokio::time::Instant;

use crate::support::{Act, Cluster, key, options};

#[tokio::test(start_paused = true)]
async fn an_attempt_is_given_no_more_than_what_is_left() {
    let cluster = Cluster::new(3).await;
    cluster.replicas.iter().for_each(|replica| {
        replica.always(Act::Fail(ReplicaError::Overloaded { limit: 1 }));
    });
    let begun = Instant::now();
    let timeout = Duration::from_millis(300);
    let error = cluster
        .coordinator
        .get(&key("k"), Some(timeout))
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::NoQuorum);
    assert!(
        begun.elapsed() < timeout,
        "the answer still arrives in time"
    );
    let attempts = cluster.replicas[0].seen("local_read");
    assert!(attempts.len() > 5);
    for attempt in attempts {
        let end = attempt.at + attempt.timeout;
        assert!(
            end < begun + timeout,
            "it would outlive the client's deadline"
        );
        assert!(end > begun + timeout / 2, "it is not cut short for nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_deadline_leaves_attempts_their_own_limit_which_follows_the_answers() {
    let cluster = Cluster::new(1).await;
    cluster
        .coordinator
        .set(&key("k"), "v".into(), None)
        .await
        .unwrap();
    let given = |method| cluster.replicas[0].seen(method)[0].timeout;
    assert_eq!(given("local_read_timestamp"), Duration::from_secs(1));
    // The first answer took no time at all.
    assert_eq!(given("local_write"), Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_gets_lost_is_made_again_soon_and_a_slow_replica_is_waited_for() {
    let cluster = Cluster::new(1).await;
    let (coordinator, replica, key) = (&cluster.coordinator, &cluster.replicas[0], key("k"));
    for _ in 0..20 {
        coordinator.get(&key, None).await.unwrap();
    }
    let mut lost = false;
    replica.script(move |_| match std::mem::replace(&mut lost, true) {
        false => Act::Hang,
        true => Act::Serve,
    });
    let begun = Instant::now();
    coordinator.get(&key, None).await.unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(150), "{took:?}");

    // It answers, only slowly: after a while nothing is asked twice any more.
    replica.always(Act::ServeAfter(Duration::from_millis(300)));
    for _ in 0..10 {
        coordinator.get(&key, None).await.unwrap();
    }
    replica.clear();
    for _ in 0..10 {
        coordinator.get(&key, None).await.unwrap();
    }
    assert_eq!(replica.seen("local_read").len(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_the_first_phase_took_is_missing_in_the_second() {
    let cluster = Cluster::new(1).await;
    let slow = Duration::from_millis(400);
    cluster.replicas[0].on("local_read_timestamp", Act::ServeAfter(slow));
    let timeout = Duration::from_millis(600);
    cluster
        .coordinator
        .set(&key("k"), "v".into(), Some(timeout))
        .await
        .unwrap();
    let given = cluster.replicas[0].seen("local_write")[0].timeout;
    assert!(given <= timeout - slow, "{given:?}");
}

#[tokio::test(start_paused = true)]
async fn the_cause_of_an_attempt_that_met_the_deadline_is_told() {
    let cluster = Cluster::new(3).await;
    cluster
        .replicas
        .iter()
        .for_each(|replica| replica.always(Act::Hang));
    let timeout = Some(Duration::from_millis(300));
    let error = cluster
        .coordinator
        .get(&key("k"), timeout)
        .await
        .unwrap_err();
    let cause = &error.details["cause/replica-0"];
    assert!(cause.starts_with("no answer within "), "{cause}");
}

#[tokio::test(start_paused = true)]
async fn a_config_that_is_sent_on_the_way_is_bounded_too() {
    let cluster = Cluster::new(1).await;
    cluster.replicas[0].script(|seen| match seen.method {
        "adopt" => Act::Hang,
        _ => Act::Fail(ReplicaError::NeedConfig),
    });
    let begun = Instant::now();
    let timeout = Duration::from_millis(300);
    cluster
        .coordinator
        .get(&key("k"), Some(timeout))
        .await
        .unwrap_err();
    assert!(begun.elapsed() < timeout);
    assert!(cluster.replicas[0].seen("adopt")[0].timeout < timeout);
}

#[tokio::test(start_paused = true)]
async fn without_a_deadline_there_is_a_default_and_a_long_one_is_cut() {
    let mut options = options();
    options.default_timeout = Duration::from_secs(10);
    options.longest_timeout = Duration::from_secs(20);
    let cluster = Cluster::with(1, 1, options).await;
    cluster.replicas[0].always(Act::Hang);
    for (timeout, expected) in [
        (None, 10),
        (Some(5), 5),
        (Some(20), 20),
        (Some(21), 20),
        (Some(100_000), 20),
    ] {
        let begun = Instant::now();
        let timeout = timeout.map(Duration::from_secs);
        let error = cluster
            .coordinator
            .get(&key("k"), timeout)
            .await
            .unwrap_err();
        assert_eq!(error.reason, Reason::NoQuorum);
        let (took, expected) = (begun.elapsed(), Duration::from_secs(expected));
        assert!(
            took < expected && took > expected.mul_f64(0.9),
            "{timeout:?}: {took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_time_at_all_is_over_at_once() {
    let cluster = Cluster::new(3).await;
    cluster
        .replicas
        .iter()
        .for_each(|replica| replica.always(Act::Hang));
    let begun = Instant::now();
    let error = cluster
        .coordinator
        .get(&key("k"), Some(Duration::ZERO))
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::NoQuorum);
    assert!(
        begun.elapsed() <= Duration::from_millis(1),
        "one tick of the timer"
    );
}
