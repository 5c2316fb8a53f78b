use std::time::Duration;

use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn unreachable() -> Fault {
    Fault::Unreachable {
        problem: "connection refused".to_owned(),
    }
}

/// Three endpoints, the first preferred.
fn three() -> (Standings, Instant) {
    (Standings::new(3, 0), Instant::now())
}

#[test]
fn stays_with_the_preferred_one() {
    for preferred in 0..3 {
        let mut standings = Standings::new(3, preferred);
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(standings.choose(now, &[]), Choice::Use(preferred));
            standings.answered(preferred);
        }
    }
}

#[test]
fn leaves_one_that_fails_and_does_not_come_back_by_itself() {
    for fault in [unreachable(), Fault::Unfit] {
        let (mut standings, now) = three();
        standings.failed(0, fault, now, 1.0);
        assert_eq!(standings.choose(now, &[]), Choice::Use(1));
        let later = now + MS(60_000);
        assert_eq!(standings.choose(later, &[]), Choice::Use(1));
        standings.failed(1, Fault::Unfit, later, 1.0);
        assert_eq!(standings.choose(later, &[]), Choice::Use(2));
    }
}

#[test]
fn a_failure_of_another_one_changes_nothing() {
    let (mut standings, now) = three();
    standings.failed(1, Fault::Unfit, now, 1.0);
    standings.failed(2, unreachable(), now, 1.0);
    assert_eq!(standings.choose(now, &[]), Choice::Use(0));
}

#[test]
fn one_call_tries_another_endpoint_each_time() {
    let (standings, now) = three();
    assert_eq!(standings.choose(now, &[true, false, false]), Choice::Use(1));
    assert_eq!(standings.choose(now, &[true, true, false]), Choice::Use(2));
    assert_eq!(standings.choose(now, &[true, true, true]), Choice::Use(0));
}

#[test]
fn a_good_one_is_better_than_a_doubtful_one_and_that_than_an_avoided_one() {
    let (mut standings, now) = three();
    standings.failed(0, unreachable(), now, 1.0);
    standings.failed(1, Fault::Unfit, now, 1.0);
    // Tried or not.
    assert_eq!(standings.choose(now, &[false, false, true]), Choice::Use(2));
    standings.failed(2, Fault::Unfit, now, 1.0);
    // The connection may be tried again, the others are still avoided.
    let later = now + MS(51);
    assert_eq!(standings.choose(later, &[]), Choice::Use(0));
    standings.failed(0, Fault::Unfit, later, 1.0);
    assert_eq!(
        standings.choose(later, &[false, true, false]),
        Choice::Use(2)
    );
}

#[test]
fn an_only_endpoint_is_used_while_it_is_avoided() {
    let mut standings = Standings::new(1, 0);
    let now = Instant::now();
    standings.failed(0, Fault::Unfit, now, 1.0);
    assert_eq!(standings.choose(now, &[true]), Choice::Use(0));
    assert!(!standings.has_alternative(0, now));
}

#[test]
fn waits_for_the_first_when_none_can_be_reached() {
    let (mut standings, now) = three();
    for (index, fraction) in [(0, 1.0), (1, 0.0), (2, 0.5)] {
        standings.failed(index, unreachable(), now, fraction);
    }
    assert_eq!(standings.choose(now, &[]), Choice::Wait(now + MS(25)));
    assert_eq!(standings.choose(now + MS(25), &[]), Choice::Use(1));
    assert!(!standings.has_alternative(1, now + MS(25)));
    assert!(standings.has_alternative(0, now + MS(25)));
    let problems: Vec<_> = standings.unreachable().collect();
    let refused = "connection refused";
    assert_eq!(problems, [(0, refused), (1, refused), (2, refused)]);
}

#[test]
fn waiting_grows_with_each_failure_until_an_answer() {
    let mut standings = Standings::new(1, 0);
    let mut now = Instant::now();
    let mut fail = |standings: &mut Standings| {
        standings.failed(0, unreachable(), now, 1.0);
        let Choice::Wait(until) = standings.choose(now, &[]) else {
            panic!("it is held");
        };
        let held = until - now;
        now = until;
        held
    };
    let held: Vec<_> = (0..8).map(|_| fail(&mut standings)).collect();
    let expected = [50, 100, 200, 400, 800, 1600, 2000, 2000].map(MS);
    assert_eq!(held, expected);
    standings.answered(0);
    assert_eq!(fail(&mut standings), MS(50));
}

#[test]
fn calls_that_fail_together_are_one_failure() {
    let mut standings = Standings::new(1, 0);
    let now = Instant::now();
    for _ in 0..256 {
        standings.failed(0, unreachable(), now, 1.0);
        standings.failed(0, Fault::Unfit, now, 1.0);
    }
    assert_eq!(standings.choose(now, &[]), Choice::Wait(now + MS(50)));
}

proptest! {
    /// Whatever happened before: the choice is an endpoint that is not held, or there is none.
    #[test]
    fn the_choice_can_be_used(
        events in prop::collection::vec((0..4_usize, 0..3_u8, 0..2000_u64, 0.0..1.0), 0..40),
        tried: [bool; 4],
    ) {
        let mut standings = Standings::new(4, 2);
        let mut now = Instant::now();
        for (index, event, passed, fraction) in events {
            now += MS(passed);
            match event {
                0 => standings.answered(index),
                1 => standings.failed(index, Fault::Unfit, now, fraction),
                _ => standings.failed(index, unreachable(), now, fraction),
            }
        }
        match standings.choose(now, &tried) {
            Choice::Use(index) => prop_assert!(standings.rank(index, now).is_some()),
            Choice::Wait(until) => {
                prop_assert!(until > now);
                prop_assert_eq!(standings.unreachable().count(), 4);
                prop_assert!(matches!(standings.choose(until, &tried), Choice::Use(_)));
            }
        }
    }
}
