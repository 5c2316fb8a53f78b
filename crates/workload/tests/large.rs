//! Long histories are decided in a number of steps that grows with their length only.

mod common;

use common::{Shape, random_history};
use quorate_register::Key;
use quorate_workload::{Action, Anomaly, History, Limits, Outcome, Report, Verdict, check};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SHAPE: Shape = Shape {
    operations: 50_000,
    clients: 10,
    values: None,
    deletes: 10,
    gets: 50,
    unknown: 2,
    failed: 1,
    lies: 0,
};

/// `keys` histories of the shape, each on a key of its own.
fn history(keys: u64, shape: Shape) -> History {
    let on_key = |number: u64| {
        let key = Key::new(format!("k{number}")).unwrap();
        let history = random_history(shape, &mut ChaCha8Rng::seed_from_u64(number));
        history.operations.into_iter().map(move |operation| {
            let key = key.clone();
            quorate_workload::Operation { key, ..operation }
        })
    };
    (0..keys).flat_map(on_key).collect()
}

fn decided_within(history: &History, steps_per_operation: u64) -> Report {
    let began = tokio::time::Instant::now();
    let report = check(history, Limits::default());
    println!(
        "{} operations, {} steps, {:?}",
        report.operations,
        report.steps,
        began.elapsed()
    );
    assert!(!matches!(report.verdict, Verdict::Undecided(_)), "{report}");
    assert!(
        report.steps < steps_per_operation * history.operations.len() as u64,
        "{report:?}"
    );
    report
}

#[test]
fn two_hundred_thousand_operations_on_four_keys() {
    let history = history(4, SHAPE);
    assert_eq!(history.operations.len(), 200_000);
    assert_eq!(decided_within(&history, 10).verdict, Verdict::Linearizable);
}

#[test]
fn two_hundred_thousand_operations_on_one_key() {
    let shape = Shape {
        operations: 200_000,
        ..SHAPE
    };
    assert_eq!(
        decided_within(&history(1, shape), 10).verdict,
        Verdict::Linearizable
    );
}

#[test]
fn hundreds_of_clients_on_one_key() {
    for clients in [64, 100, 256] {
        let shape = Shape { clients, ..SHAPE };
        let report = decided_within(&history(1, shape), 100);
        assert_eq!(report.verdict, Verdict::Linearizable);
    }
}

#[test]
fn thousands_of_unknown_writes() {
    let shape = Shape {
        unknown: 40,
        deletes: 20,
        ..SHAPE
    };
    assert_eq!(
        decided_within(&history(1, shape), 20).verdict,
        Verdict::Linearizable
    );
}

/// Few values written again and again, as other tools do.
#[test]
fn values_that_repeat() {
    for values in [2, 5, 50] {
        let shape = Shape {
            operations: 20_000,
            values: Some(values),
            clients: 20,
            deletes: 20,
            ..SHAPE
        };
        assert_eq!(
            decided_within(&history(1, shape), 50).verdict,
            Verdict::Linearizable
        );
    }
}

/// One get in the midst of many operations returns what a later one replaced long before.
#[test]
fn one_stale_read_in_two_hundred_thousand_operations() {
    let mut history = history(4, SHAPE);
    let value = |operation: &quorate_workload::Operation| match &operation.action {
        Action::Set(value) if operation.outcome == Outcome::Ok => Some(value.clone()),
        _ => None,
    };
    let mut operations: Vec<_> = history.operations.iter_mut().collect();
    operations.sort_by_key(|operation| (operation.key.clone(), operation.start_ns));
    let middle = operations.len() / 2 + 25_000;
    let old = operations[middle - 500..]
        .iter()
        .find_map(|operation| value(operation))
        .unwrap();
    let stale = operations[middle..].iter_mut().find(|operation| {
        matches!(operation.action, Action::Get(_)) && operation.outcome == Outcome::Ok
    });
    stale.unwrap().action = Action::Get(Some(old));
    let Verdict::Violation(witness) = decided_within(&history, 10).verdict else {
        panic!("a stale read was not noticed");
    };
    assert_eq!(witness.anomaly, Anomaly::CameBack);
    assert!(witness.operations.len() <= 6, "{witness}");
    println!("{witness}");
}

/// The same with the absence of a value, which only the search can tell: there are deletes
/// before and after, though none that the get can have seen.
#[test]
fn one_lost_update_in_two_hundred_thousand_operations() {
    let shape = Shape {
        deletes: 2,
        // An unknown delete could explain everything.
        unknown: 0,
        ..SHAPE
    };
    let mut history = history(4, shape);
    let before = check(&history, Limits::default());
    assert_eq!(before.verdict, Verdict::Linearizable);
    let mut operations: Vec<_> = history.operations.iter_mut().collect();
    operations.sort_by_key(|operation| (operation.key.clone(), operation.start_ns));
    let middle = operations.len() / 2 + 25_000;
    let lying = (middle..operations.len()).find(|&index| {
        let recent = &operations[index - 40..index + 40];
        let deleted = recent.iter().any(|operation| {
            matches!(operation.action, Action::Delete | Action::Get(None))
                && operation.outcome != Outcome::Fail
        });
        matches!(operations[index].action, Action::Get(Some(_))) && !deleted
    });
    let lying = &mut operations[lying.unwrap()];
    lying.action = Action::Get(None);
    let lie = (*lying).clone();
    let Verdict::Violation(witness) = decided_within(&history, 20).verdict else {
        panic!("a lost update was not noticed");
    };
    println!("{witness}");
    assert!(witness.operations.contains(&lie), "{witness}");
}
