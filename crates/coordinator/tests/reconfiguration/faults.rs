//! What a change does when something goes wrong.

use std::fs;
use std::time::Duration;

use quorate_coordinator::membership::ConfigStore;
use quorate_coordinator::reconfiguration::{ChangeError, Ending};
use quorate_register::ReplicaError;

use crate::stage::Stage;
use crate::support::Act;

#[tokio::test(start_paused = true)]
async fn a_change_to_members_that_vanish_is_given_up() {
    let stage = Stage::new(1, 3).await;
    let side = stage.side().await;
    stage.fill(&side, 50).await;
    stage.want(3).await;
    // They answer when they are asked who they are, and nothing else.
    for replica in &stage.cluster.replicas[1..] {
        replica.script(|seen| match seen.method {
            "identify" => Act::Serve,
            _ => Act::Hang,
        });
    }
    let mut ending = None;
    for _ in 0..20 {
        let _ = side.reconfigurer.tick().await;
        ending = side.progress().last;
        if ending.is_some() {
            break;
        }
    }
    assert_eq!(ending.unwrap().ending, Ending::Aborted);
    assert_eq!(side.members(), ["replica-0"]);
    stage.check(&side).await;
    // Who was to join is retired; disks with other ids would be needed.
    assert_eq!(side.config().parts().retired.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn another_coordinator_ends_what_one_began() {
    let stage = Stage::new(3, 5).await;
    let first = stage.side().await;
    stage.fill(&first, 100).await;
    stage.want(5).await;
    assert!(first.reconfigurer.tick().await.unwrap());
    assert!(first.config().is_joint());
    drop(first);
    let second = stage.side().await;
    second.settle().await.unwrap();
    assert_eq!(second.members().len(), 5);
    stage.check(&second).await;
}

#[tokio::test(start_paused = true)]
async fn a_joint_config_that_was_stored_and_never_sent_is_made_active() {
    let stage = Stage::new(3, 5).await;
    let first = stage.side().await;
    stage.want(5).await;
    // It dies between the swap and the first Adopt.
    for replica in &stage.cluster.replicas {
        replica.on("adopt", Act::Hang);
    }
    let error = first.reconfigurer.tick().await.unwrap_err();
    assert!(matches!(error, ChangeError::NotActive { .. }), "{error}");
    assert!(!first.config().is_joint());
    for replica in &stage.cluster.replicas {
        replica.always(Act::Serve);
    }
    let second = stage.side().await;
    second.settle().await.unwrap();
    assert_eq!(second.members().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_change_works_with_a_member_down() {
    let stage = Stage::new(3, 5).await;
    let side = stage.side().await;
    stage.fill(&side, 100).await;
    stage.cluster.replicas[2].always(Act::Hang);
    stage.want(5).await;
    side.settle().await.unwrap();
    assert_eq!(side.members().len(), 5);
    stage.check(&side).await;
    // And without a majority there is none.
    stage.cluster.replicas[1].always(Act::Hang);
    stage.cluster.replicas[3].always(Act::Hang);
    stage.want(3).await;
    assert!(!side.reconfigurer.tick().await.unwrap());
    assert_eq!(side.progress().blocked.unwrap().reason, "no_majority");
}

#[tokio::test(start_paused = true)]
async fn an_old_content_of_the_config_store_is_put_right() {
    let stage = Stage::new(3, 5).await;
    let side = stage.side().await;
    let old = fs::read(stage.config_file()).unwrap();
    stage.want(5).await;
    side.settle().await.unwrap();
    stage.fill(&side, 50).await;
    fs::write(stage.config_file(), old).unwrap();
    // One that starts now believes the old content until it hears of a replica.
    let stale = stage.side().await;
    stage.check(&stale).await;
    side.settle().await.unwrap();
    let stored = stage.store.read().await.unwrap().unwrap();
    assert_eq!(stored.config.id(), side.config().id());
    stage.check(&side).await;
}

#[tokio::test(start_paused = true)]
async fn without_its_object_nothing_changes_and_all_is_served() {
    let stage = Stage::new(3, 5).await;
    let side = stage.side().await;
    stage.fill(&side, 10).await;
    fs::remove_file(stage.config_file()).unwrap();
    stage.want(5).await;
    let error = side.reconfigurer.tick().await.unwrap_err();
    assert!(
        error.to_string().ends_with("run `quorate recover`"),
        "{error}"
    );
    assert_eq!(side.progress().wanted, Some(5));
    stage.check(&side).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_disk_is_swapped_in_after_the_delay() {
    let stage = Stage::new(3, 3).await;
    let side = stage.side().await;
    stage.fill(&side, 100).await;
    let stranger = stage.cluster.stranger(1);
    let side = stage.side_at(stranger).await;
    side.settle().await.unwrap();
    let before = side.config();
    tokio::time::advance(Duration::from_secs(61)).await;
    side.settle().await.unwrap();
    let after = side.config();
    assert_ne!(
        before.members()[1].replica_id,
        after.members()[1].replica_id
    );
    assert_eq!(after.parts().retired, [before.members()[1].replica_id]);
    stage.check(&side).await;
}

/// Members that activated a config and left may be the only ones by whom it can be proven active,
/// until a majority of those that stay has recorded it.
#[tokio::test(start_paused = true)]
async fn who_left_is_wiped_only_once_the_members_have_recorded_that_the_config_is_active() {
    let stage = Stage::new(5, 5).await;
    let side = stage.side().await;
    stage.fill(&side, 10).await;
    stage.want(3).await;
    for replica in &stage.cluster.replicas {
        replica.script(|seen| match &seen.offered {
            Some((config, true)) if !config.is_joint() => Act::Fail(ReplicaError::TimedOut {
                waited: seen.timeout,
            }),
            _ => Act::Serve,
        });
    }
    side.settle().await.unwrap();
    assert_eq!(side.members().len(), 3);
    let retired = || {
        let left = &stage.cluster.replicas[3..];
        left.iter().filter(|it| it.disk.is_retired()).count()
    };
    assert_eq!(retired(), 0);
    // One of three is no majority.
    stage.cluster.replicas[0].always(Act::Serve);
    side.settle().await.unwrap();
    assert_eq!(retired(), 0);
    stage.cluster.replicas[1].always(Act::Serve);
    side.settle().await.unwrap();
    assert_eq!(retired(), 2);
    stage.check(&side).await;
}
