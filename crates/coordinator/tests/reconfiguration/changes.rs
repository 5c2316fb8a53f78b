//! What a change does when all goes well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quorate_coordinator::reconfiguration::{ChangeError, Ending};
use quorate_register::{Key, Register, Replica};

use crate::stage::Stage;
use crate::support::Act;

#[tokio::test(start_paused = true)]
async fn the_members_follow_the_size_that_is_wanted() {
    let stage = Stage::new(3, 5).await;
    let side = stage.side().await;
    stage.fill(&side, 300).await;
    for size in [5, 3, 1, 2] {
        stage.want(size).await;
        // Those that left are not wiped here, so that only the first two can be asked for again.
        if size == 2 {
            let blocked = side.settle().await;
            assert!(blocked.is_ok(), "{blocked:?}");
            let reason = side.progress().blocked.unwrap().reason;
            assert_eq!(reason, "waiting_for_replicas");
            break;
        }
        side.settle().await.unwrap();
        let expected: Vec<_> = (0..size).map(|n| format!("replica-{n}")).collect();
        assert_eq!(side.members(), expected);
        assert_eq!(side.progress().last.unwrap().ending, Ending::Finished);
        stage.check(&side).await;
        stage.fill(&side, 100).await;
    }
    stage.check(&side).await;
}

#[tokio::test(start_paused = true)]
async fn no_operation_fails_while_members_change() {
    let stage = Arc::new(Stage::new(3, 5).await);
    let side = stage.side().await;
    let over = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn({
        let (over, coordinator) = (over.clone(), side.coordinator.clone());
        async move {
            let mut last = 0u64;
            let key = Key::new("counter").unwrap();
            while !over.load(Ordering::Relaxed) {
                last += 1;
                let value = last.to_string();
                coordinator
                    .set(&key, value.clone().into(), None)
                    .await
                    .unwrap();
                let read = coordinator.get(&key, None).await.unwrap().value.unwrap();
                assert_eq!(read, value.as_bytes());
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            last
        }
    });
    // Another coordinator makes the changes: the one under load hears of them from replicas.
    let other = stage.side().await;
    stage.fill(&other, 200).await;
    for size in [5, 3, 1] {
        stage.want(size).await;
        other.settle().await.unwrap();
        stage.check(&other).await;
    }
    over.store(true, Ordering::Relaxed);
    assert!(load.await.unwrap() > 0);
    stage.check(&side).await;
    assert_eq!(side.config().id(), other.config().id());
}

#[tokio::test(start_paused = true)]
async fn new_members_get_everything_before_they_decide() {
    let stage = Stage::new(1, 3).await;
    let side = stage.side().await;
    stage.fill(&side, 500).await;
    stage.want(3).await;
    side.settle().await.unwrap();
    // The one that was there alone is lost, and all is still known.
    for replica in &stage.cluster.replicas[1..] {
        let identity = replica.identify(std::time::Duration::from_secs(1)).await;
        assert_eq!(identity.unwrap().keys, 500);
    }
    stage.cluster.replicas[0].kill();
    stage.check(&side).await;
}

#[tokio::test(start_paused = true)]
async fn members_that_stay_are_written_to_only_where_a_majority_needs_them() {
    let stage = Stage::new(3, 5).await;
    let side = stage.side().await;
    stage.fill(&side, 300).await;
    let clear = || stage.cluster.replicas.iter().for_each(|it| it.clear());
    clear();
    stage.want(5).await;
    // The third one answers when a majority was read already.
    let slow = Act::ServeAfter(std::time::Duration::from_millis(20));
    stage.cluster.replicas[2].on("scan", slow);
    side.settle().await.unwrap();
    let written = |replica: usize| {
        let seen = stage.cluster.replicas[replica].seen("local_write_all");
        seen.len()
    };
    assert_eq!([0, 1, 2].map(written), [0; 3]);
    assert!([3, 4].map(written).iter().all(|&writes| writes > 0));
    stage.check(&side).await;

    // Of three that stay, two may be too few without the one that was not read.
    clear();
    stage.want(3).await;
    for stays in [0, 1] {
        let slow = Act::ServeAfter(std::time::Duration::from_millis(20));
        stage.cluster.replicas[stays].on("scan", slow);
    }
    side.settle().await.unwrap();
    assert!(written(0) + written(1) > 0);
    stage.check(&side).await;
}

#[tokio::test(start_paused = true)]
async fn coordinators_that_race_do_no_harm() {
    let stage = Stage::new(3, 5).await;
    let sides = [stage.side().await, stage.side().await, stage.side().await];
    stage.fill(&sides[0], 100).await;
    for size in [5, 3, 2] {
        stage.want(size).await;
        let drive = |side: &crate::stage::Side| {
            let reconfigurer = side.reconfigurer.clone();
            async move {
                let mut idle = 0;
                while idle < 3 {
                    match reconfigurer.tick().await {
                        Ok(true) => idle = 0,
                        Ok(false) => idle += 1,
                        Err(ChangeError::Conflict) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        };
        futures::future::join_all(sides.iter().map(drive)).await;
        for side in &sides {
            assert_eq!(side.config().id(), sides[0].config().id());
            assert_eq!(side.members().len(), size);
        }
        stage.check(&sides[1]).await;
    }
}
