//! What a coordinator does not take on.

use std::time::Duration;

use futures::FutureExt;
use quorate_coordinator::membership::{FixedDirectory, Membership};
use quorate_coordinator::{Coordinator, CoordinatorMetrics, CoordinatorOptions, LiveSnapshot};
use quorate_register::{Applied, OperationError, Reason, Register};
use tokio_util::sync::CancellationToken;

use crate::support::{Act, Cluster, Seeded, key, options};

fn assert_overloaded(error: &OperationError, limit: &str) {
    assert_eq!(
        (error.reason, error.applied),
        (Reason::Overloaded, Applied::No)
    );
    assert!(error.message.contains(limit), "{}", error.message);
    assert!(error.retry_after.is_some_and(|after| !after.is_zero()));
    assert!(error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn operations_in_flight_are_bounded() {
    let mut options = options();
    options.operations_in_flight = 2;
    let cluster = Cluster::with(1, 1, options).await;
    cluster.replicas[0].always(Act::Hang);
    let key = key("k");
    {
        let mut first = cluster.coordinator.get(&key, None);
        let mut second = cluster.coordinator.set(&key, "v".into(), None);
        assert!(futures::poll!(&mut first).is_pending());
        assert!(futures::poll!(&mut second).is_pending());
        // The third is refused without waiting.
        let refused = cluster.coordinator.delete(&key, None).now_or_never();
        assert_overloaded(&refused.unwrap().unwrap_err(), "2 operations");
        assert_eq!(cluster.coordinator.live().operations, 2);
    }
    // Those that left make room.
    cluster.replicas[0].always(Act::Serve);
    cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();
    assert_eq!(cluster.coordinator.live(), LiveSnapshot::default());
    let labels = [("operation", "delete"), ("outcome", "overloaded")];
    assert_eq!(cluster.count("quorate_operations_total", &labels), 1);
}

#[tokio::test(start_paused = true)]
async fn bytes_in_flight_are_bounded() {
    let mut options = options();
    options.bytes_in_flight = 100;
    let cluster = Cluster::with(1, 1, options).await;
    cluster.replicas[0].always(Act::Hang);
    let key = key("k");
    {
        let mut large = cluster.coordinator.set(&key, vec![1; 80].into(), None);
        assert!(futures::poll!(&mut large).is_pending());
        let refused = cluster.coordinator.set(&key, vec![1; 20].into(), None);
        assert_overloaded(&refused.await.unwrap_err(), "100 bytes");
        // One byte less fits, the key counted too.
        let mut small = cluster.coordinator.set(&key, vec![1; 18].into(), None);
        assert!(futures::poll!(&mut small).is_pending());
        let refused = cluster.coordinator.get(&key, None);
        assert_overloaded(&refused.await.unwrap_err(), "100 bytes");
    }
    cluster.replicas[0].always(Act::Serve);
    cluster
        .coordinator
        .set(&key, vec![1; 99].into(), None)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_too_long_is_refused_by_name_and_limit() {
    let mut options = options();
    options.max_value_bytes = 10;
    let key = key("k");
    let cluster = Cluster::with(1, 1, options).await;
    cluster
        .coordinator
        .set(&key, vec![1; 10].into(), None)
        .await
        .unwrap();
    let error = cluster.coordinator.set(&key, vec![1; 11].into(), None);
    let error = error.await.unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::InvalidArgument, Applied::No)
    );
    assert_eq!(
        error.message,
        "value: it has 11 bytes; the limit is 10 bytes"
    );
    assert_eq!(error.details["field"], "value");
    let labels = [("operation", "set"), ("outcome", "invalid")];
    assert_eq!(cluster.count("quorate_operations_total", &labels), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_config_nothing_is_begun() {
    let registry = prometheus::Registry::new();
    let metrics = CoordinatorMetrics::new(&registry).unwrap();
    let random = Seeded::new(1);
    let directory = std::sync::Arc::new(FixedDirectory::default());
    let membership = Membership::new(directory, random.clone(), metrics.clone());
    let coordinator = Coordinator::new(
        CoordinatorOptions::default(),
        membership.into(),
        random,
        metrics,
        CancellationToken::new(),
    );
    for error in [
        coordinator.get(&key("k"), None).await.unwrap_err(),
        coordinator
            .set(&key("k"), "v".into(), None)
            .await
            .unwrap_err(),
        coordinator.delete(&key("k"), None).await.unwrap_err(),
    ] {
        assert_eq!(
            (error.reason, error.applied),
            (Reason::NotReady, Applied::No)
        );
        assert!(error.is_retryable());
    }
    assert!(coordinator.status(Duration::from_secs(1)).await.is_none());
    assert_eq!(coordinator.live(), LiveSnapshot::default());
}

#[tokio::test(start_paused = true)]
async fn after_the_stop_nothing_is_begun() {
    let cluster = Cluster::new(3).await;
    cluster.stop.cancel();
    let error = cluster
        .coordinator
        .set(&key("k"), "v".into(), None)
        .await
        .unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::Stopping, Applied::No)
    );
    assert!(cluster.replicas[0].seen("local_read_timestamp").is_empty());
}
