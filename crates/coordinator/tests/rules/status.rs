//! What a coordinator says of its store, on the wire.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use quorate_coordinator::membership::{FixedDirectory, Membership, load};
use quorate_coordinator::{Coordinator, CoordinatorMetrics, CoordinatorOptions};
use quorate_proto::StatusSource;
use quorate_proto::v1::StatusResponse;
use quorate_register::{Reason, Register, ReplicaId};
use quorate_replica::ReplicaMetrics;
use tokio_util::sync::CancellationToken;

use crate::support::{Cluster, Scripted, Seeded, key};

const LIMIT: Duration = Duration::from_secs(1);

async fn status(coordinator: &Coordinator) -> StatusResponse {
    let source: &dyn StatusSource = coordinator;
    source.status(LIMIT).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn while_no_config_is_known_the_reason_is_said_with_the_cause_per_replica() {
    let (random, registry) = (Seeded::new(1), Registry::new());
    let metrics = ReplicaMetrics::new(&registry, "a").unwrap();
    let replica = Scripted::new("a", ReplicaId::random(&*random), metrics);
    let directory = Arc::new(FixedDirectory::default().with("a", "somewhere", replica.clone()));
    let metrics = CoordinatorMetrics::new(&registry).unwrap();
    let membership = Membership::new(directory, random.clone(), metrics.clone());
    let membership = Arc::new(membership);
    let (options, stop) = (CoordinatorOptions::default(), CancellationToken::new());
    let coordinator = Coordinator::new(options, membership.clone(), random, metrics, stop);
    let told = async || {
        let error = coordinator.get(&key("k"), None).await.unwrap_err();
        assert_eq!(error.reason, Reason::NotReady);
        assert_eq!(status(&coordinator).await.problem, error.message);
        error.message
    };

    assert_eq!(told().await, "the config is being looked for");
    load(&membership, None, LIMIT).await.unwrap_err();
    let nobody = "no replica has a config yet: run `quorate bootstrap`";
    assert_eq!(told().await, nobody);
    // One that is down may have a config; to make another one would be wrong advice.
    replica.kill();
    load(&membership, None, LIMIT).await.unwrap_err();
    let unknown = "no config is known yet (a: unreachable: connection refused)";
    assert_eq!(told().await, unknown);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_started_under_another_name_has_a_problem() {
    let cluster = Cluster::new(3).await;
    let members = status(&cluster.coordinator).await.members;
    assert!(members.iter().all(|member| member.problem.is_empty()));
    cluster.replicas[1].rename("replica-7");
    let answer = status(&cluster.coordinator).await;
    assert_eq!(answer.problem, "");
    let problems = answer.members.iter().map(|it| it.problem.as_str());
    let expected = "it was started as replica-7: start it with the config's name, --pod replica-1";
    assert_eq!(problems.collect::<Vec<_>>(), ["", expected, ""]);
    // Its disk is the member, whatever it is called: it takes part.
    assert!(answer.members[1].reachable);
    cluster.replicas[0].kill();
    let written = cluster.coordinator.set(&key("k"), "v".into(), None).await;
    written.unwrap();
}
