//! Which answers are final, and when a round fails early.

use std::time::Duration;

use quorate_coordinator::membership::FixedDirectory;
use quorate_register::{Applied, ChecksumMismatch, Reason, Register, ReplicaError, Timestamp};
use tokio::time::Instant;

use crate::support::{Act, Cluster, key};

fn problem() -> String {
    "scripted".into()
}

/// The final refusals, and whether only writes take them so.
fn lasting(cluster: &Cluster) -> Vec<(ReplicaError, bool)> {
    let (free_bytes, reserved_bytes) = (1, 2);
    vec![
        (ReplicaError::WrongReplica { problem: problem() }, false),
        (
            ReplicaError::Fork {
                config: cluster.config(),
            },
            false,
        ),
        (ReplicaError::LostDisk { problem: problem() }, false),
        (
            ReplicaError::DiskFull {
                free_bytes,
                reserved_bytes,
            },
            true,
        ),
    ]
}

fn passing() -> Vec<ReplicaError> {
    let waited = Duration::from_millis(1);
    let (stated, computed) = (1, 2);
    vec![
        ReplicaError::NeedConfig,
        ReplicaError::Conflict {
            timestamp: Timestamp::ZERO,
        },
        ReplicaError::Corrupted(ChecksumMismatch { stated, computed }),
        ReplicaError::Overloaded { limit: 1 },
        ReplicaError::Invalid { problem: problem() },
        ReplicaError::Unreachable { problem: problem() },
        ReplicaError::TimedOut { waited },
    ]
}

#[tokio::test(start_paused = true)]
async fn final_answers_that_leave_no_majority_fail_a_round_at_once() {
    for (method, applied, phase) in [
        ("local_read_timestamp", Applied::No, "read"),
        ("local_write", Applied::Maybe, "write"),
    ] {
        for which in 0..4 {
            let cluster = Cluster::new(3).await;
            let (refusal, only_writes) = lasting(&cluster).swap_remove(which);
            if only_writes && phase == "read" {
                continue;
            }
            for replica in &cluster.replicas[1..] {
                replica.on(method, Act::Fail(refusal.clone()));
            }
            let begun = Instant::now();
            let result = cluster.coordinator.set(&key("k"), "v".into(), None).await;
            let error = result.unwrap_err();
            assert_eq!(
                begun.elapsed(),
                Duration::ZERO,
                "{refusal}: nothing was waited for"
            );
            assert_eq!(
                (error.reason, error.applied),
                (Reason::QuorumImpossible, applied)
            );
            assert_eq!(error.details["phase"], phase);
            assert_eq!(error.details["needed"], "2");
            // A write takes longer to acknowledge than to refuse; but a fork is offered the config
            // first, and where a disk was replaced the others may know why.
            let slow = phase == "read"
                || matches!(
                    refusal,
                    ReplicaError::Fork { .. } | ReplicaError::WrongReplica { .. }
                );
            let received = if slow { "1" } else { "0" };
            assert_eq!(error.details["received"], received);
            for pod in ["replica-1", "replica-2"] {
                assert_eq!(error.details[&format!("cause/{pod}")], refusal.to_string());
            }
            let labels = [("phase", phase), ("reason", "quorum_impossible")];
            assert_eq!(cluster.count("quorate_quorum_missed_total", &labels), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_final_answer_and_one_that_hangs_do_not() {
    let cluster = Cluster::new(3).await;
    let lost = ReplicaError::LostDisk { problem: problem() };
    cluster.replicas[1].always(Act::Fail(lost));
    cluster.replicas[2].always(Act::Hang);
    let begun = Instant::now();
    let timeout = Duration::from_secs(5);
    let error = cluster
        .coordinator
        .get(&key("k"), Some(timeout))
        .await
        .unwrap_err();
    assert_eq!(error.reason, Reason::NoQuorum);
    assert!(
        begun.elapsed() > timeout.mul_f64(0.9),
        "it might have answered yet"
    );
    assert_eq!(
        cluster.replicas[1].seen("local_read").len(),
        1,
        "a final answer is final"
    );
    assert!(cluster.replicas[2].seen("local_read").len() > 1);
}

#[tokio::test(start_paused = true)]
async fn one_final_answer_and_one_that_comes_back_make_a_quorum() {
    let cluster = Cluster::new(3).await;
    let wrong = ReplicaError::WrongReplica { problem: problem() };
    cluster.replicas[1].always(Act::Fail(wrong));
    let mut tries = 0;
    cluster.replicas[2].script(move |_| {
        tries += 1;
        match tries {
            1..=4 => Act::Fail(ReplicaError::Unreachable { problem: problem() }),
            _ => Act::Serve,
        }
    });
    cluster
        .coordinator
        .set(&key("k"), "v".into(), None)
        .await
        .unwrap();
    assert!(cluster.replicas[2].stored(&key("k")).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_replica_never_counts() {
    // It would answer; but it says that another disk is meant, each time.
    let cluster = Cluster::new(3).await;
    let wrong = ReplicaError::WrongReplica { problem: problem() };
    cluster.replicas[1].always(Act::Fail(wrong));
    let key = key("k");
    cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();
    let stored = |n: usize| cluster.replicas[n].stored(&key).is_some();
    assert_eq!([stored(0), stored(1), stored(2)], [true, false, true]);
    // The two others are a majority, but one of them and the wrong one are none.
    cluster.replicas[2].always(Act::Hang);
    let error = cluster
        .coordinator
        .set(&key, "w".into(), None)
        .await
        .unwrap_err();
    assert_eq!(error.details["needed"], "2");
    assert_eq!(error.details["received"], "1");
    assert!(error.details["cause/replica-1"].contains("wrong replica"));
}

#[tokio::test(start_paused = true)]
async fn a_stranger_in_a_members_pod_never_counts() {
    // Not scripted: the fence of a real replica, on a disk that took the place of another.
    let (cluster, others) = (Cluster::new(3).await, Cluster::new(1).await);
    let stranger = others.replicas[0].clone();
    let directory = FixedDirectory::default()
        .with("replica-0", "", cluster.replicas[0].clone())
        .with("replica-1", "", stranger.clone())
        .with("replica-2", "", cluster.replicas[2].clone());
    let coordinator = cluster.coordinator_with(directory);
    let key = key("k");
    coordinator.set(&key, "v".into(), None).await.unwrap();
    cluster.replicas[2].kill();
    let error = coordinator.set(&key, "w".into(), None).await.unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::NoQuorum, Applied::No)
    );
    assert_eq!(error.details["received"], "1");
    let cause = &error.details["cause/replica-1"];
    assert!(cause.contains(&stranger.replica_id.to_string()), "{cause}");
    assert_eq!(stranger.stored(&key), None);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_final_for_writes_only() {
    let cluster = Cluster::new(3).await;
    let key = key("k");
    cluster
        .coordinator
        .set(&key, "v".into(), None)
        .await
        .unwrap();
    for replica in &cluster.replicas[..2] {
        replica.disk.set_free_bytes(1);
    }
    let error = cluster
        .coordinator
        .set(&key, "w".into(), None)
        .await
        .unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::QuorumImpossible, Applied::Maybe)
    );
    assert!(error.details["cause/replica-0"].contains("disk full: 1 bytes free"));
    let value = cluster.coordinator.get(&key, None).await.unwrap().value;
    // The one with space may have stored what nobody acknowledged; a get needs it written
    // back then, which full disks refuse. Among themselves the full ones agree.
    cluster.replicas[2].always(Act::Hang);
    assert!(value == Some("v".into()) || value == Some("w".into()));
    let value = cluster.coordinator.get(&key, None).await.unwrap().value;
    assert_eq!(value, Some("v".into()));
}

#[tokio::test(start_paused = true)]
async fn everything_else_is_tried_again_until_it_is_answered() {
    for method in ["local_read_timestamp", "local_write"] {
        for refusal in passing() {
            let cluster = Cluster::new(1).await;
            let scripted = refusal.clone();
            let mut tries = 0;
            cluster.replicas[0].script(move |seen| {
                tries += u32::from(seen.method == method);
                match seen.method == method && tries <= 5 {
                    true => Act::Fail(scripted.clone()),
                    false => Act::Serve,
                }
            });
            cluster
                .coordinator
                .set(&key("k"), "v".into(), None)
                .await
                .unwrap();
            assert_eq!(cluster.replicas[0].seen(method).len(), 6, "{refusal}");
            let (code, series) = (refusal.code(), "quorate_replica_requests_total");
            let labels = [("member", "replica-0"), ("method", method), ("code", code)];
            assert_eq!(cluster.count(series, &labels), 5, "{refusal}");
            let labels = [
                ("member", "replica-0"),
                ("method", method),
                ("reason", code),
            ];
            let retries = cluster.count("quorate_retries_total", &labels);
            assert_eq!(retries, 5, "{refusal}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_attempt_is_made_again_after_its_time() {
    let cluster = Cluster::new(1).await;
    let mut tries = 0;
    cluster.replicas[0].script(move |_| {
        tries += 1;
        if tries <= 2 { Act::Hang } else { Act::Serve }
    });
    let begun = Instant::now();
    cluster.coordinator.get(&key("k"), None).await.unwrap();
    assert!(
        begun.elapsed() >= Duration::from_secs(2),
        "two attempts of a second each"
    );
    let labels = [("method", "local_read"), ("code", "timed_out")];
    assert_eq!(cluster.count("quorate_replica_requests_total", &labels), 2);
    assert_eq!(cluster.replicas[0].in_flight(), 0);
}
