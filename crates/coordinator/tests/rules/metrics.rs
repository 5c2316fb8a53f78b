//! Everything that begins is counted when it ends, however it ends.

use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator::{Canary, CanaryMetrics, LiveSnapshot};
use quorate_register::{Register, ReplicaError};
use tokio::time::timeout;

use crate::support::{Act, Cluster, key};

const OPERATIONS: &str = "quorate_operations_total";
const DURATIONS: &str = "quorate_operation_duration_seconds";
const PHASES: &str = "quorate_phase_duration_seconds";
const REQUESTS: &str = "quorate_replica_requests_total";
const VIOLATIONS: &str = "quorate_invariant_violations_total";
const RETRIES: &str = "quorate_retries_total";
const CANCELLED: &str = "quorate_cancelled_attempts_total";

async fn hanging() -> Cluster {
    let cluster = Cluster::new(3).await;
    for replica in &cluster.replicas[1..] {
        replica.on("local_write", Act::Hang);
    }
    cluster
}

#[tokio::test(start_paused = true)]
async fn a_completed_operation() {
    let cluster = Cluster::new(3).await;
    cluster
        .coordinator
        .set(&key("k"), "v".into(), None)
        .await
        .unwrap();
    cluster.coordinator.delete(&key("k"), None).await.unwrap();
    cluster.coordinator.get(&key("k"), None).await.unwrap();
    for operation in ["set", "delete", "get"] {
        let labels = [("operation", operation), ("outcome", "ok")];
        assert_eq!(cluster.count(OPERATIONS, &labels), 1);
        assert_eq!(cluster.count(DURATIONS, &[("operation", operation)]), 1);
        let read = [("operation", operation), ("phase", "read")];
        assert_eq!(cluster.count(PHASES, &read), 1);
        let write = [("operation", operation), ("phase", "write")];
        assert_eq!(cluster.count(PHASES, &write), u64::from(operation != "get"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_operation_counts_as_cancelled_with_its_phases_and_attempts() {
    let cluster = hanging().await;
    let key = key("k");
    let call = cluster.coordinator.set(&key, "v".into(), None);
    let dropped = timeout(Duration::from_millis(50), call).await;
    assert!(dropped.is_err());

    assert_eq!(cluster.count(OPERATIONS, &[("outcome", "cancelled")]), 1);
    assert_eq!(cluster.count(OPERATIONS, &[]), 1);
    assert_eq!(cluster.count(DURATIONS, &[("operation", "set")]), 1);
    assert_eq!(cluster.count(PHASES, &[("phase", "read")]), 1);
    assert_eq!(cluster.count(PHASES, &[("phase", "write")]), 1);
    let attempts = [("method", "local_write"), ("code", "cancelled")];
    assert_eq!(cluster.count(REQUESTS, &attempts), 2);
    let answered = [("method", "local_write"), ("code", "ok")];
    assert_eq!(cluster.count(REQUESTS, &answered), 1);
    assert_eq!(cluster.count(CANCELLED, &[("reason", "abandoned")]), 2);
    let durations = [("method", "local_write")];
    let requests = "quorate_replica_request_duration_seconds";
    assert_eq!(cluster.count(requests, &durations), 3);
}

#[tokio::test(start_paused = true)]
async fn attempts_given_up_at_the_deadline_and_at_the_stop() {
    let cluster = hanging().await;
    let deadline = Some(Duration::from_millis(200));
    let error = cluster
        .coordinator
        .set(&key("k"), "v".into(), deadline)
        .await;
    error.unwrap_err();
    assert_eq!(cluster.count(CANCELLED, &[("reason", "deadline")]), 2);
    assert_eq!(cluster.count(OPERATIONS, &[("outcome", "unknown")]), 1);
    let missed = [("phase", "write"), ("reason", "no_quorum")];
    assert_eq!(cluster.count("quorate_quorum_missed_total", &missed), 1);

    let stop = async { cluster.stop.cancel() };
    let key = key("k");
    let call = cluster.coordinator.set(&key, "v".into(), None);
    let (result, ()) = tokio::join!(call, stop);
    result.unwrap_err();
    assert_eq!(cluster.count(CANCELLED, &[("reason", "stop")]), 2);
    let missed = [("phase", "write"), ("reason", "stopping")];
    assert_eq!(cluster.count("quorate_quorum_missed_total", &missed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_a_request_that_was_made_again() {
    const GETS: u64 = 20;
    let cluster = Cluster::new(3).await;
    let refusing = Act::Fail(ReplicaError::Overloaded { limit: 1 });
    let a_moment = Duration::from_millis(3);
    cluster.replicas[0].on("local_read", Act::ServeAfter(a_moment));
    cluster.replicas[1].on("local_read", Act::ServeAfter(a_moment));
    cluster.replicas[2].on("local_read", refusing.clone());
    let key = key("k");
    let counts = |member| {
        let of = [("member", member), ("method", "local_read")];
        (cluster.count(REQUESTS, &of), cluster.count(RETRIES, &of))
    };
    for _ in 0..GETS {
        cluster.coordinator.get(&key, None).await.unwrap();
    }
    // It is in some pause whenever the others make the quorum, and is not asked after that.
    let (made, again) = counts("replica-2");
    assert_eq!(made - again, GETS);
    assert_eq!(cluster.count(CANCELLED, &[("reason", "quorum")]), GETS);

    cluster.replicas[1].on("local_read", refusing);
    let limit = Some(Duration::from_millis(200));
    cluster.coordinator.get(&key, limit).await.unwrap_err();
    for member in ["replica-1", "replica-2"] {
        let (made, again) = counts(member);
        assert!(again > 1, "{member}: {again}");
        assert_eq!(made - again, GETS + 1, "{member}");
        let overloaded = [("member", member), ("reason", "overloaded")];
        assert_eq!(cluster.count(RETRIES, &overloaded), again, "{member}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_a_gauge() {
    let cluster = hanging().await;
    let in_flight = || {
        cluster.coordinator.observe();
        cluster.count("quorate_operations_in_flight", &[])
    };
    assert_eq!(in_flight(), 0);
    {
        let key = key("k");
        let mut call = cluster.coordinator.set(&key, "v".into(), None);
        // It goes as far as it gets without time: into its second phase.
        while cluster.replicas[1].seen("local_write").is_empty() {
            assert!(futures::poll!(&mut call).is_pending());
            tokio::task::yield_now().await;
        }
        assert_eq!(in_flight(), 1);
        let live = cluster.coordinator.live();
        assert_eq!((live.operations, live.backoffs), (1, 0));
        assert!((2..=3).contains(&live.attempts), "{live:?}");
    }
    assert_eq!(in_flight(), 0);
    assert_eq!(cluster.coordinator.live(), LiveSnapshot::default());
}

#[tokio::test(start_paused = true)]
async fn the_config_operated_under() {
    let cluster = Cluster::with(3, 5, crate::support::options()).await;
    let config = |group| cluster.count("quorate_members", &[("group", group)]);
    let epoch = || cluster.count("quorate_config_epoch", &[("role", "coordinator")]);
    let joint = || cluster.count("quorate_config_joint", &[]);
    assert_eq!(
        (epoch(), joint(), config("current"), config("next")),
        (1, 0, 3, 0)
    );
    let member = |n: usize| quorate_register::Member {
        replica_id: cluster.replicas[n].replica_id,
        pod: cluster.replicas[n].pod.clone(),
    };
    let next = (0..5).map(member).collect();
    let child = cluster.child(|parts| parts.next = Some(next));
    cluster.membership.follow(&child).await;
    assert_eq!(
        (epoch(), joint(), config("current"), config("next")),
        (2, 1, 3, 5)
    );
}

#[tokio::test(start_paused = true)]
async fn how_many_members_may_still_be_lost() {
    let cluster = Cluster::new(3).await;
    let limit = Duration::from_secs(1);
    let margin = || cluster.count("quorate_quorum_margin", &[("group", "current")]);
    let answers = |pod: &str| cluster.count("quorate_member_info", &[("member", pod)]);
    for (lost, left) in [(0, 1), (1, 0)] {
        for replica in &cluster.replicas[..lost] {
            replica.on("identify", Act::Hang);
        }
        cluster.coordinator.observe_members(limit).await;
        assert_eq!(margin(), left);
        assert_eq!(answers("replica-0"), u64::from(lost == 0));
        assert_eq!(answers("replica-2"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_canary_tells_health_and_its_end() {
    const CANARY: &str = "quorate_canary_operations_total";
    let cluster = Cluster::new(3).await;
    let metrics = CanaryMetrics::new(&cluster.registry).unwrap();
    let interval = Duration::from_secs(10);
    let coordinator = cluster.coordinator.clone();
    let canary = Canary::new(coordinator, metrics, interval, &*cluster.random);
    let running = tokio::spawn(canary.run());
    tokio::time::sleep(Duration::from_secs(35)).await;
    for operation in ["set", "get"] {
        let labels = [("operation", operation), ("outcome", "ok")];
        assert_eq!(cluster.count(CANARY, &labels), 3, "{operation}");
    }
    assert!(since_success(&cluster) < 10.0);

    for replica in &cluster.replicas[1..] {
        replica.on("local_read_timestamp", Act::Hang);
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    running.abort();
    assert!(since_success(&cluster) > 30.0);
    assert!(cluster.count(CANARY, &[("operation", "set"), ("outcome", "not_applied")]) > 1);
    let stale = [("invariant", "stale_read"), ("role", "coordinator")];
    assert_eq!(cluster.count(VIOLATIONS, &stale), 0);
}

/// The only member forgets what the canary wrote, before it is read.
#[tokio::test(start_paused = true)]
async fn a_lost_write_is_seen_by_the_canary_and_by_the_order_of_versions() {
    let cluster = Cluster::new(1).await;
    let metrics = CanaryMetrics::new(&cluster.registry).unwrap();
    let coordinator = cluster.coordinator.clone();
    let interval = Duration::from_secs(10);
    let canary = Canary::new(coordinator, metrics, interval, &*cluster.random);
    let running = tokio::spawn(canary.run());
    let violations = cluster.metrics.violations();
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(violations.total(), 0);
    let member = cluster.replicas[0].clone();
    let mut forgot = false;
    cluster.replicas[0].script(move |seen| {
        if seen.method == "local_read" && !forgot {
            forgot = true;
            member.kill();
            member.disk.wipe(false);
            member.revive();
        }
        Act::Serve
    });
    tokio::time::sleep(Duration::from_secs(10)).await;
    running.abort();
    for invariant in ["stale_read", "version_order"] {
        let labels = [("invariant", invariant), ("role", "coordinator")];
        assert_eq!(cluster.count(VIOLATIONS, &labels), 1, "{invariant}");
    }
    assert_eq!(violations.total(), 2);
}

/// Two siblings are said to be active, which cannot be.
#[tokio::test(start_paused = true)]
async fn a_second_path_of_active_configs_is_counted() {
    let cluster = Cluster::new(3).await;
    let first = cluster.config();
    let [one, other] = [(); 2].map(|()| cluster.child(|_| ()));
    let violations = cluster.metrics.violations();
    cluster.membership.install(one);
    cluster.membership.install(first);
    assert_eq!(violations.total(), 0);
    cluster.membership.install(other);
    assert_eq!(violations.total(), 1);
    let labels = [("invariant", "fork"), ("role", "coordinator")];
    assert_eq!(cluster.count(VIOLATIONS, &labels), 1);
}

/// A store that nobody can use must not look healthy because nothing fails.
#[tokio::test(start_paused = true)]
async fn without_a_config_the_time_since_the_canary_succeeded_grows() {
    let cluster = Cluster::new(3).await;
    let coordinator = cluster.coordinator_without_config();
    let metrics = CanaryMetrics::new(&cluster.registry).unwrap();
    let interval = Duration::from_secs(10);
    let canary = Canary::new(Arc::new(coordinator), metrics, interval, &*cluster.random);
    let running = tokio::spawn(canary.run());
    tokio::time::sleep(Duration::from_secs(65)).await;
    running.abort();
    assert!(since_success(&cluster) >= 60.0);
    assert_eq!(cluster.count("quorate_canary_operations_total", &[]), 0);
}

fn since_success(cluster: &Cluster) -> f64 {
    let families = cluster.registry.gather();
    let name = "quorate_canary_since_success_seconds";
    let family = families.iter().find(|family| family.name() == name);
    family.unwrap().get_metric()[0].get_gauge().get_value()
}

#[tokio::test(start_paused = true)]
async fn the_slowest_member_is_timed_beside_the_majority() {
    let cluster = Cluster::new(3).await;
    let key = key("k");
    let set = cluster.coordinator.set(&key, "v".into(), None);
    set.await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        cluster.count("quorate_slowest_write_duration_seconds", &[]),
        1
    );
    for phase in ["read", "write"] {
        let reached = cluster.count("quorate_quorum_reached_total", &[("phase", phase)]);
        assert_eq!(reached, 1, "{phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_left_takes_its_series_along() {
    const OF_MEMBERS: [&str; 4] = [
        REQUESTS,
        "quorate_replica_request_duration_seconds",
        "quorate_retries_total",
        "quorate_member_info",
    ];
    let cluster = Cluster::new(3).await;
    let limit = Duration::from_secs(1);
    let of = |pod: &str| {
        let families = cluster.registry.gather();
        let has = |name: &&&str| {
            let family = families.iter().find(|family| family.name() == **name);
            let series = family.into_iter().flat_map(|family| family.get_metric());
            let mut labels = series.flat_map(|series| series.get_label());
            labels.any(|label| label.name() == "member" && label.value() == pod)
        };
        OF_MEMBERS.iter().filter(has).count()
    };
    for replica in &cluster.replicas {
        let mut refusals = 1;
        // A write, which goes on until all have answered.
        replica.script(move |seen| match refusals {
            1 if seen.method == "local_write" => {
                refusals = 0;
                Act::Fail(ReplicaError::Overloaded { limit: 1 })
            }
            _ => Act::Serve,
        });
    }
    let key = key("k");
    let set = || cluster.coordinator.set(&key, "v".into(), None);
    set().await.unwrap();
    // Until the last of them answered in the background.
    tokio::time::sleep(limit).await;
    cluster.coordinator.observe_members(limit).await;
    for replica in &cluster.replicas {
        assert_eq!(of(&replica.pod), OF_MEMBERS.len(), "{}", replica.pod);
    }

    let staying = cluster.config().parts().current[..2].to_vec();
    let joint = cluster.config().joint(staying, &*cluster.random).unwrap();
    cluster.membership.follow(&Arc::new(joint)).await;
    assert_eq!(of("replica-2"), OF_MEMBERS.len(), "it is a member still");
    let after = cluster.config().finish(&*cluster.random).unwrap();
    // It still works at the attempts of a write when it leaves.
    cluster.replicas[2].on("local_write", Act::Hang);
    set().await.unwrap();
    cluster.membership.follow(&Arc::new(after)).await;
    set().await.unwrap();
    tokio::time::sleep(10 * limit).await;
    cluster.coordinator.observe_members(limit).await;
    assert_eq!(of("replica-1"), OF_MEMBERS.len());
    assert_eq!(of("replica-2"), 0);
}
