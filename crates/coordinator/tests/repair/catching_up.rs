use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use quorate_coordinator::repair::RepairOptions;
use quorate_register::Register;

use crate::stage::{Stage, key, options, pair};
use crate::support::Act;

#[tokio::test(start_paused = true)]
async fn members_in_step_cost_one_digest_each() {
    let stage = Stage::new(500, options()).await;
    stage.caught_up().await;
    for replica in &stage.cluster.replicas {
        replica.clear();
    }
    let before = stage.rounds("equal");
    stage.another_round().await;
    let rounds = stage.rounds("equal") - before;
    assert!(rounds > 0);
    for replica in &stage.cluster.replicas {
        assert_eq!(replica.seen("digest").len() as u64, rounds);
        assert!(replica.seen("scan").is_empty() && replica.seen("local_write_all").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_member_missed_is_copied_and_little_else_is_read() {
    let stage = Stage::new(3000, options()).await;
    stage.caught_up().await;
    let away = stage.replica(2);
    away.kill();
    for number in 0..25 {
        let register = &stage.cluster.coordinator;
        match number % 5 {
            0 => register.delete(&key(number), None).await.map(drop),
            1 => register
                .set(&key(number + 10_000), "new".into(), None)
                .await
                .map(drop),
            _ => register
                .set(&key(number), "other".into(), None)
                .await
                .map(drop),
        }
        .unwrap();
    }
    stage.another_round().await;
    {
        let status = stage.repairer.status();
        let known = &status.borrow().members[2];
        assert!(known.problem.is_some(), "{known:?}");
    }
    assert_eq!(stage.copied_to("replica-2"), 0);
    away.revive();
    let read_before = stage.pairs_read();
    stage.caught_up().await;
    stage.assert_equal();
    assert!(away.stored(&key(5)).unwrap().value.is_none(), "a tombstone");
    assert_eq!(stage.copied_to("replica-2"), 25);
    assert_eq!(
        stage.copied_to("replica-0") + stage.copied_to("replica-1"),
        0
    );
    // 3020 keys in 65536 buckets: hardly any bucket that differs has a second key. Two members
    // are read, of which one may lack the key.
    let read = stage.pairs_read() - read_before;
    assert!((45..=60).contains(&read), "{read}");
    assert_eq!(stage.lag_of("replica-2"), 0);
    let status = stage.repairer.status();
    let known = &status.borrow().members[2];
    assert_eq!((known.keys_copied, known.lag_buckets), (25, Some(0)));
    assert_eq!(known.problem, None);
}

#[tokio::test(start_paused = true)]
async fn each_member_gets_what_it_lacks() {
    let stage = Stage::new(50, options()).await;
    let config = stage.cluster.config();
    for (replica, number, counter) in [(0, 1, 7), (1, 1, 5), (1, 2, 6), (2, 900, 1)] {
        let (key, pair) = (key(number), pair(number, counter, replica != 1));
        stage.replica(replica).put(&config, &key, &pair).await;
    }
    stage.caught_up().await;
    stage.caught_up().await;
    stage.assert_equal();
    let stored = |number| stage.replica(0).stored(&key(number)).unwrap();
    assert_eq!(stored(1), pair(1, 7, true));
    assert_eq!(stored(2), pair(2, 6, false));
    assert_eq!(stored(900), pair(900, 1, true));
}

#[tokio::test(start_paused = true)]
async fn a_wiped_member_is_filled_within_the_window() {
    let window = RepairOptions {
        ranges: 2,
        ..options()
    };
    let stage = Stage::new(3000, window).await;
    stage.caught_up().await;
    let wiped = stage.replica(2);
    wiped.kill();
    wiped.disk.wipe(true);
    wiped.revive();
    let most = Arc::new(AtomicI64::new(0));
    let (seen_most, replica) = (most.clone(), Arc::downgrade(wiped));
    wiped.script(move |seen| {
        if seen.method == "local_write_all" {
            let in_flight = replica.upgrade().map_or(0, |replica| replica.in_flight());
            seen_most.fetch_max(in_flight, Ordering::Relaxed);
        }
        Act::ServeAfter(Duration::from_millis(1))
    });
    let read_before = stage.pairs_read();
    stage.caught_up().await;
    stage.assert_equal();
    assert_eq!(wiped.disk.pairs().len(), 3000);
    let most = most.load(Ordering::Relaxed);
    // One of each range, and what else the member is asked.
    assert!((2..=4).contains(&most), "{most} at once");
    // One of the members that have everything is read, once.
    assert_eq!(stage.pairs_read() - read_before, 3000);
    let status = stage.repairer.status();
    assert_eq!(status.borrow().members[2].lag_buckets, Some(0));
}

#[tokio::test(start_paused = true)]
async fn lag_is_seen_while_a_member_catches_up() {
    let slow = RepairOptions {
        rate: 50,
        ..options()
    };
    let stage = Stage::new(1000, slow).await;
    stage.caught_up().await;
    let wiped = stage.replica(1);
    wiped.kill();
    wiped.disk.wipe(false);
    wiped.revive();
    let began = tokio::time::Instant::now();
    let mut status = stage.repairer.status();
    let catching_up = stage.caught_up();
    let watching = async {
        let lag =
            |status: &quorate_coordinator::repair::RepairStatus| status.members[1].lag_buckets;
        let full = status
            .wait_for(|it| lag(it).is_some_and(|lag| lag > 900))
            .await;
        drop(full);
        let half = status
            .wait_for(|it| lag(it).is_some_and(|lag| lag < 500))
            .await;
        assert!(half.unwrap().members[1].keys_copied > 400);
        let lags = stage.lags_shown().await;
        assert!(
            matches!(lags[..], [Some(0), Some(1..500), Some(0)]),
            "{lags:?}"
        );
    };
    tokio::join!(catching_up, watching);
    // 1000 keys at 50 a second; a page that is on its way goes ahead.
    assert!(
        began.elapsed() > Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    stage.assert_equal();
}
