use std::time::Duration;

use quorate_register::{Register, ReplicaError};

use crate::stage::{Stage, key, options, pair};
use crate::support::Act;

#[tokio::test(start_paused = true)]
async fn a_write_in_flight_is_not_repaired() {
    let stage = Stage::new(100, options()).await;
    stage.caught_up().await;
    let late = options().second_look / 2;
    stage.replica(2).on("local_write", Act::ServeAfter(late));
    let register = stage.cluster.coordinator.clone();
    register.set(&key(7), "new".into(), None).await.unwrap();
    let looks = stage.replica(0).seen("digest").len();
    stage.another_round().await;
    stage.assert_equal();
    assert!(
        stage.replica(0).seen("digest").len() > looks + 2,
        "it differed"
    );
    assert_eq!(stage.pairs_read(), 0);
    assert_eq!(stage.copied_to("replica-2"), 0);
}

#[tokio::test(start_paused = true)]
async fn newer_pairs_win_over_repair() {
    let stage = Stage::new(400, options()).await;
    stage.caught_up().await;
    for round in 0..4u32 {
        let wiped = stage.replica(round as usize % 3);
        wiped.kill();
        wiped.disk.wipe(false);
        wiped.revive();
        // Its answers take their time, so that copies and writes overtake each other.
        let mut number = 0;
        wiped.script(move |_| {
            number = (number * 31 + 17) % 101;
            Act::ServeAfter(Duration::from_millis(number % 9))
        });
        let catching_up = stage.caught_up();
        let register = stage.cluster.coordinator.clone();
        let writing = async {
            for number in 0..400 {
                let key = key((number * 7 + round) % 400);
                let value = format!("{round}/{number}");
                register
                    .set(&key, value.clone().into(), None)
                    .await
                    .unwrap();
                let entry = register.get(&key, None).await.unwrap();
                assert_eq!(entry.value, Some(value.into()));
            }
        };
        tokio::join!(catching_up, writing);
    }
    for number in 0..400 {
        let newest = stage
            .cluster
            .coordinator
            .get(&key(number), None)
            .await
            .unwrap();
        assert!(newest.value.unwrap().starts_with(b"3/"));
    }
    stage.caught_up().await;
    stage.caught_up().await;
    stage.assert_equal();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_refuses_holds_up_nobody_else() {
    let stage = Stage::new(100, options()).await;
    let config = stage.cluster.config();
    stage
        .replica(0)
        .put(&config, &key(900), &pair(900, 3, true))
        .await;
    let full = ReplicaError::DiskFull {
        free_bytes: 1,
        reserved_bytes: 2,
    };
    stage.replica(1).on("local_write_all", Act::Fail(full));
    stage.another_round().await;
    assert!(stage.replica(2).stored(&key(900)).is_some());
    assert!(stage.replica(1).stored(&key(900)).is_none());
    assert!(stage.rounds("incomplete") > 0);
    let status = stage.repairer.status();
    let problem = status.borrow().members[1].problem.clone().unwrap();
    assert!(problem.contains("disk full"), "{problem}");
    stage.replica(1).always(Act::Serve);
    stage.caught_up().await;
    stage.assert_equal();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_fails_leaves_nobody_in_step() {
    let stage = Stage::new(100, options()).await;
    stage.caught_up().await;
    let config = stage.cluster.config();
    stage
        .replica(0)
        .put(&config, &key(900), &pair(900, 3, true))
        .await;
    let before = tokio::time::Instant::now();
    stage.replica(0).on("scan", Act::Hang);
    stage.another_round().await;
    stage.another_round().await;
    let status = stage.repairer.status();
    for member in &status.borrow().members {
        assert!(member.in_step.unwrap() <= before, "{member:?}");
    }
    stage.replica(0).always(Act::Serve);
    stage.caught_up().await;
    stage.assert_equal();
}

#[tokio::test(start_paused = true)]
async fn repair_follows_the_config_and_takes_members_along() {
    let stage = Stage::new(100, options()).await;
    stage.caught_up().await;
    let child = stage.cluster.child(|_| ());
    stage.replica(0).hold(&child).await;
    stage.replica(1).hold(&child).await;
    let waiting = stage.repairer.caught_up(child.id());
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    waited.expect("the members should be in step under the newer config");
    assert_eq!(stage.cluster.config().id(), child.id());
    let held = stage.replica(2).replica().config().unwrap();
    assert_eq!((held.config.id(), held.active), (child.id(), true));
    assert!(stage.rounds("superseded") > 0);
}
