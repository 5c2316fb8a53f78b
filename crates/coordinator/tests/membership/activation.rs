//! Activation is a fact at the replicas.

use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator::membership::{FixedDirectory, Proof, prove_active};
use quorate_register::{Config, Member};

use crate::support::{Act, Cluster, Scripted, child, options};

const LIMIT: Duration = Duration::from_secs(1);

fn member(replica: &Arc<Scripted>) -> Member {
    Member {
        replica_id: replica.replica_id,
        pod: replica.pod.clone(),
    }
}

fn holds(replica: &Arc<Scripted>, config: &Config) -> bool {
    let held = replica.replica().config();
    held.is_some_and(|held| held.config.id() == config.id())
}

#[tokio::test(start_paused = true)]
async fn a_majority_of_the_parents_group_activates_a_child() {
    let cluster = Cluster::new(3).await;
    let child = cluster.child(|_| ());
    cluster.replicas[0].kill();
    let proof = prove_active(&*cluster.directory, &child, LIMIT).await;
    assert!(matches!(proof, Proof::Active), "{proof:?}");
    assert!(holds(&cluster.replicas[1], &child) && holds(&cluster.replicas[2], &child));
}

#[tokio::test(start_paused = true)]
async fn less_than_a_majority_does_not() {
    let cluster = Cluster::new(3).await;
    let child = cluster.child(|_| ());
    cluster.replicas[0].kill();
    cluster.replicas[1].on("adopt", Act::Hang);
    let proof = prove_active(&*cluster.directory, &child, LIMIT).await;
    let Proof::Unproven { problems, .. } = proof else {
        panic!("{proof:?}");
    };
    assert_eq!(
        problems,
        "replica-0: unreachable: connection refused; replica-1: no answer within 1000 ms"
    );
}

#[tokio::test(start_paused = true)]
async fn the_groups_of_the_child_itself_do_not_count() {
    // A child whose groups are three others, all of which would take it.
    let cluster = Cluster::with(3, 6, options()).await;
    let others: Vec<_> = cluster.replicas[3..].iter().map(member).collect();
    for joint in [true, false] {
        let child = cluster.child(|parts| match joint {
            true => parts.next = Some(others.clone()),
            false => parts.current = others.clone(),
        });
        cluster.replicas[..2]
            .iter()
            .for_each(|replica| replica.always(Act::Hang));
        let proof = prove_active(&*cluster.directory, &child, LIMIT).await;
        assert!(matches!(proof, Proof::Unproven { .. }), "{proof:?}");
        for replica in &cluster.replicas[3..] {
            assert!(replica.seen("adopt").is_empty(), "not before it is active");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_config_needs_all_its_members() {
    let cluster = Cluster::with(3, 5, options()).await;
    let members = cluster.replicas[3..].iter().map(member).collect();
    let config = Arc::new(Config::first(members, &*cluster.random).unwrap());
    cluster.replicas[4].on("adopt", Act::Hang);
    let proof = prove_active(&*cluster.directory, &config, LIMIT).await;
    assert!(matches!(proof, Proof::Unproven { .. }), "{proof:?}");
    cluster.replicas[4].always(Act::Serve);
    let proof = prove_active(&*cluster.directory, &config, LIMIT).await;
    assert!(matches!(proof, Proof::Active), "{proof:?}");
}

#[tokio::test(start_paused = true)]
async fn of_two_children_of_one_config_at_most_one_becomes_active() {
    let cluster = Cluster::new(3).await;
    let (one, other) = (cluster.child(|_| ()), cluster.child(|_| ()));
    let proofs = tokio::join!(
        prove_active(&*cluster.directory, &one, LIMIT),
        prove_active(&*cluster.directory, &other, LIMIT)
    );
    let active = |proof: &Proof| matches!(proof, Proof::Active);
    assert!(!(active(&proofs.0) && active(&proofs.1)), "{proofs:?}");
    // Nor later, however often it is tried.
    let again = prove_active(&*cluster.directory, &one, LIMIT).await;
    let other_again = prove_active(&*cluster.directory, &other, LIMIT).await;
    assert_eq!(active(&again), active(&proofs.0));
    assert_eq!(active(&other_again), active(&proofs.1));
}

#[tokio::test(start_paused = true)]
async fn those_that_hold_a_descendant_count_and_it_is_told() {
    let cluster = Cluster::new(3).await;
    let config = cluster.child(|_| ());
    let descendant = child(&config, &*cluster.random, |_| ());
    for replica in &cluster.replicas[..2] {
        replica.hold(&config).await;
        replica.hold(&descendant).await;
    }
    cluster.replicas[2].kill();
    let proof = prove_active(&*cluster.directory, &config, LIMIT).await;
    let Proof::Superseded(newer) = proof else {
        panic!("{proof:?}");
    };
    assert_eq!(newer.id(), descendant.id());
}

#[tokio::test(start_paused = true)]
async fn those_that_hold_another_branch_do_not_count() {
    let cluster = Cluster::new(3).await;
    let config = cluster.child(|_| ());
    let branch = child(&cluster.child(|_| ()), &*cluster.random, |_| ());
    for replica in &cluster.replicas[..2] {
        replica.hold(&branch).await;
    }
    let proof = prove_active(&*cluster.directory, &config, LIMIT).await;
    let Proof::Unproven { problems, .. } = proof else {
        panic!("{proof:?}");
    };
    assert!(problems.contains("replica-0: stale epoch"), "{problems}");
}

#[tokio::test(start_paused = true)]
async fn a_stranger_in_a_members_pod_is_not_counted_and_takes_nothing() {
    let cluster = Cluster::with(3, 5, options()).await;
    // Two of three pods have other disks now, which never held a config.
    let directory = FixedDirectory::default()
        .with("replica-0", "", cluster.replicas[0].clone())
        .with("replica-1", "", cluster.replicas[3].clone())
        .with("replica-2", "", cluster.replicas[4].clone());
    let child = cluster.child(|_| ());
    let proof = prove_active(&directory, &child, LIMIT).await;
    let Proof::Unproven { problems, .. } = proof else {
        panic!("{proof:?}");
    };
    assert!(problems.contains("replica-1: wrong replica"), "{problems}");
    for stranger in &cluster.replicas[3..] {
        assert!(stranger.replica().config().is_none());
    }
}
