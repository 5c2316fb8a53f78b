//! One of several coordinators leads, or two believe it, or the one that does is of no use.

use std::time::Duration;

use quorate_coordinator::reconfiguration::ChangeError;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::stage::{Side, Stage};

#[tokio::test(start_paused = true)]
async fn changes_are_left_to_the_one_that_leads() {
    let stage = Stage::new(3, 5).await;
    let (leads, led) = watch::channel(false);
    let side = stage.side_led(led).await;
    stage.fill(&side, 100).await;
    stage.want(5).await;
    side.settle().await.unwrap();
    assert_eq!(side.members().len(), 3, "another one leads");
    leads.send_replace(true);
    side.settle().await.unwrap();
    assert_eq!(side.members().len(), 5);
    stage.check(&side).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_another_one_began_is_left_to_the_one_that_leads() {
    let stage = Stage::new(3, 5).await;
    let (_leads, led) = watch::channel(false);
    let (first, second) = (stage.side().await, stage.side_led(led).await);
    stage.fill(&first, 100).await;
    stage.want(5).await;
    assert!(first.reconfigurer.tick().await.unwrap());
    assert!(first.config().is_joint());
    second.settle().await.unwrap();
    assert!(
        second.config().is_joint(),
        "it follows, and does not transfer"
    );
    first.settle().await.unwrap();
    second.settle().await.unwrap();
    assert_eq!(second.members().len(), 5);
    stage.check(&second).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_one_that_leads_does_not_do_others_do_after_a_while() {
    let stage = Stage::new(3, 5).await;
    let (_leads, led) = watch::channel(false);
    let side = stage.side_led(led).await;
    stage.fill(&side, 100).await;
    stage.want(5).await;
    side.settle().await.unwrap();
    sleep(Duration::from_secs(10)).await;
    side.settle().await.unwrap();
    assert_eq!(side.members().len(), 3);
    sleep(Duration::from_secs(60)).await;
    side.settle().await.unwrap();
    assert_eq!(side.members().len(), 5);
    stage.check(&side).await;
}

#[tokio::test(start_paused = true)]
async fn two_that_both_believe_that_they_lead_do_no_harm() {
    let stage = Stage::new(3, 5).await;
    let (_leads, led) = watch::channel(true);
    let (first, second) = (stage.side_led(led.clone()).await, stage.side_led(led).await);
    stage.fill(&first, 200).await;
    for size in [5, 3, 1] {
        stage.want(size).await;
        tokio::join!(drive(&first, size), drive(&second, size));
        assert_eq!(first.config().id(), second.config().id());
        stage.check(&first).await;
        stage.check(&second).await;
    }
}

/// Takes steps until there are so many members, whoever else does.
async fn drive(side: &Side, size: usize) {
    for _ in 0..100 {
        match side.reconfigurer.tick().await {
            Ok(_) | Err(ChangeError::Conflict) => {}
            Err(error) => assert!(!matches!(error, ChangeError::Blocked(_)), "{error}"),
        }
        if side.members().len() == size && !side.config().is_joint() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{size} members were never agreed");
}
