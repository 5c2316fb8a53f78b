//! How an operation that does not complete ends: not applied, or unknown, and why.

use std::time::Duration;

use quorate_register::{Applied, OperationError, Reason, Register, ReplicaError};

use crate::support::{Act, Cluster, key, pair};

const TIMEOUT: Option<Duration> = Some(Duration::from_secs(3));

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operation {
    Get,
    Set,
    Delete,
}

impl Operation {
    async fn fail(self, cluster: &Cluster) -> OperationError {
        let (coordinator, key) = (&cluster.coordinator, key("k"));
        match self {
            Self::Get => coordinator.get(&key, TIMEOUT).await.unwrap_err(),
            Self::Set => coordinator
                .set(&key, "v".into(), TIMEOUT)
                .await
                .unwrap_err(),
            Self::Delete => coordinator.delete(&key, TIMEOUT).await.unwrap_err(),
        }
    }

    /// Of the requests of a phase, those it sends.
    fn method(self, phase: &str) -> &'static str {
        match (self, phase) {
            (_, "write") => "local_write",
            (Self::Get, _) => "local_read",
            _ => "local_read_timestamp",
        }
    }
}

/// A cluster in which one replica has a pair that the others must be written.
async fn divided() -> Cluster {
    let cluster = Cluster::new(3).await;
    let key = key("k");
    let pair = pair(&key, 3, "old");
    cluster.replicas[0]
        .put(&cluster.config(), &key, &pair)
        .await;
    cluster
}

#[tokio::test(start_paused = true)]
async fn only_a_write_whose_second_phase_began_is_unknown() {
    let lost = ReplicaError::LostDisk {
        problem: "scripted".into(),
    };
    for operation in [Operation::Get, Operation::Set, Operation::Delete] {
        for phase in ["read", "write"] {
            let unknown = operation != Operation::Get && phase == "write";
            let applied = if unknown { Applied::Maybe } else { Applied::No };
            let method = operation.method(phase);

            let cluster = divided().await;
            cluster.replicas[1..]
                .iter()
                .for_each(|r| r.on(method, Act::Hang));
            let error = operation.fail(&cluster).await;
            assert_eq!((error.reason, error.applied), (Reason::NoQuorum, applied));
            assert_eq!(error.details["phase"], phase, "{operation:?}");

            let cluster = divided().await;
            let fails = Act::Fail(lost.clone());
            cluster.replicas[1..]
                .iter()
                .for_each(|r| r.on(method, fails.clone()));
            let error = operation.fail(&cluster).await;
            assert_eq!(
                (error.reason, error.applied),
                (Reason::QuorumImpossible, applied)
            );

            let cluster = divided().await;
            cluster.replicas[1..]
                .iter()
                .for_each(|r| r.on(method, Act::Hang));
            let stopping = async {
                let reached = || cluster.replicas[1].seen(method).len();
                crate::support::until("the phase", reached, |seen| *seen > 0).await;
                cluster.stop.cancel();
            };
            let (error, ()) = tokio::join!(operation.fail(&cluster), stopping);
            assert_eq!((error.reason, error.applied), (Reason::Stopping, applied));
            assert_eq!(error.is_retryable(), applied == Applied::No);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_says_needed_received_and_the_cause_per_replica() {
    let cluster = Cluster::new(5).await;
    let refused = ReplicaError::Unreachable {
        problem: "connection refused".into(),
    };
    let full = ReplicaError::DiskFull {
        free_bytes: 1,
        reserved_bytes: 2,
    };
    cluster.replicas[1].on("local_write", Act::Fail(refused));
    cluster.replicas[2].on("local_write", Act::Hang);
    cluster.replicas[3].on("local_write", Act::Fail(full));
    let error = Operation::Set.fail(&cluster).await;
    // Its two attempts had the whole time, but for the pause between them.
    let hung = &error.details["cause/replica-2"];
    assert!(hung.starts_with("no answer within 29"), "{hung}");
    assert_eq!(
        error.message,
        format!(
            "no quorum by the deadline: needed 3, received 2 in the write phase; \
         replica-1: unreachable: connection refused; \
         replica-2: {hung}; \
         replica-3: disk full: 1 bytes free, 2 are kept in reserve"
        )
    );
    let details: Vec<_> = error.details.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(
        details,
        [
            ("cause/replica-1", "unreachable: connection refused"),
            ("cause/replica-2", hung),
            (
                "cause/replica-3",
                "disk full: 1 bytes free, 2 are kept in reserve"
            ),
            ("needed", "3"),
            ("phase", "write"),
            ("received", "2"),
        ]
    );
    assert!(error.to_string().starts_with("outcome unknown: no quorum"));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_never_failed_just_has_not_answered_yet() {
    let cluster = Cluster::new(3).await;
    cluster
        .replicas
        .iter()
        .for_each(|replica| replica.always(Act::Hang));
    let stop = async { cluster.stop.cancel() };
    let (error, ()) = tokio::join!(Operation::Get.fail(&cluster), stop);
    assert_eq!(error.details["received"], "0");
    assert_eq!(error.details["cause/replica-0"], "no answer yet");
}

#[tokio::test(start_paused = true)]
async fn in_a_joint_config_each_group_is_reported() {
    let cluster = Cluster::with(3, 5, crate::support::options()).await;
    let member = |n: usize| quorate_register::Member {
        replica_id: cluster.replicas[n].replica_id,
        pod: cluster.replicas[n].pod.clone(),
    };
    let joint = cluster.child(|parts| parts.next = Some(vec![member(2), member(3), member(4)]));
    cluster.membership.follow(&joint).await;
    cluster.replicas[3..]
        .iter()
        .for_each(|replica| replica.always(Act::Hang));
    let error = Operation::Get.fail(&cluster).await;
    assert_eq!(error.details["needed/current"], "2");
    assert_eq!(error.details["received/current"], "3");
    assert_eq!(error.details["needed/next"], "2");
    assert_eq!(error.details["received/next"], "1");
    let text =
        ": needed 2 of the current group, received 3: needed 2 of the next group, received 1";
    assert!(error.message.contains(text), "{}", error.message);
}

#[tokio::test(start_paused = true)]
async fn a_key_whose_counter_is_used_up_takes_no_more_writes() {
    let cluster = Cluster::new(1).await;
    let key = key("k");
    let last = pair(&key, u64::MAX, "last");
    cluster.replicas[0]
        .put(&cluster.config(), &key, &last)
        .await;
    for operation in [Operation::Set, Operation::Delete] {
        let error = operation.fail(&cluster).await;
        assert_eq!(
            (error.reason, error.applied),
            (Reason::TimestampsExhausted, Applied::No)
        );
    }
    let value = cluster.coordinator.get(&key, None).await.unwrap().value;
    assert_eq!(value, Some("last".into()));
    assert!(cluster.replicas[0].seen("local_write").is_empty());
}
