//! The checker against a judge that tries every permutation.

mod common;

use common::{Shape, brute_force, random_history, search_all};
use quorate_workload::{History, Limits, Verdict, check};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Judges one history in both ways; whether it is linearizable.
fn compare(shape: Shape, seed: u64, judge: fn(&History) -> bool) -> bool {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let history = random_history(shape, &mut rng);
    let expected = judge(&history);
    let report = check(&history, Limits::default());
    match &report.verdict {
        Verdict::Linearizable => assert!(expected, "seed {seed}, {shape:?}: {history:#?}"),
        Verdict::Violation(witness) => {
            assert!(!expected, "seed {seed}, {shape:?}: {witness}\n{history:#?}");
            let operations = &witness.operations;
            assert!(
                operations
                    .iter()
                    .all(|operation| history.operations.contains(operation))
            );
            let alone = operations.iter().cloned().collect();
            assert!(
                !judge(&alone),
                "seed {seed}, {shape:?}: {witness}\n{history:#?}"
            );
        }
        Verdict::Undecided(undecided) => panic!("seed {seed}, {shape:?}: {undecided:?}"),
    }
    expected
}

/// How many histories a test compares.
const HISTORIES: u64 = 10_000;

fn any_shape(seed: u64) -> Shape {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut percent = |choices: &[u32]| choices[rng.random_range(0..choices.len())];
    let shape = Shape {
        operations: percent(&[3, 5, 7, 8, 9]) as usize,
        clients: percent(&[1, 2, 3, 4, 8]).into(),
        values: None,
        deletes: percent(&[0, 10, 20, 40]),
        gets: percent(&[30, 40, 50]),
        unknown: percent(&[0, 0, 10, 30]),
        failed: percent(&[0, 0, 10]),
        lies: 0,
    };
    Shape {
        values: [None, None, Some(1), Some(2), Some(3)][percent(&[0, 1, 2, 3, 4]) as usize],
        ..shape
    }
}

/// Compares many random histories, of which many have an order and many have none.
fn compare_all(
    histories: u64,
    lies: &[u32],
    shape: fn(Shape) -> Shape,
    judge: fn(&History) -> bool,
) {
    let compare = |seed: u64| {
        let lies = lies[seed as usize % lies.len()];
        compare(
            shape(Shape {
                lies,
                ..any_shape(seed)
            }),
            seed,
            judge,
        )
    };
    let linearizable = (0..histories).filter(|&seed| compare(seed)).count();
    let share = linearizable * 100 / histories as usize;
    assert!((20..80).contains(&share), "{share} % are linearizable");
}

#[test]
fn agrees_with_brute_force_on_random_short_histories() {
    let histories = HISTORIES * 4;
    compare_all(histories, &[20, 60, 100], |shape| shape, brute_force);
}

#[test]
fn agrees_with_a_full_search_on_longer_ones() {
    let longer = |shape: Shape| Shape {
        operations: 2 * shape.operations + 2,
        ..shape
    };
    compare_all(HISTORIES, &[10, 40, 100], longer, search_all);
}

/// Deletes that are read, unknown and overlapping: what the zones alone cannot decide.
#[test]
fn agrees_with_a_full_search_where_deletes_decide() {
    let deletes = |shape: Shape| Shape {
        operations: 18,
        deletes: 25,
        gets: 50,
        values: shape.values.filter(|_| shape.clients % 2 == 1),
        ..shape
    };
    compare_all(HISTORIES, &[10, 30, 60], deletes, search_all);
}

/// Without lies every history has an order: the one in which it was made.
#[test]
fn never_accuses_a_correct_register() {
    for seed in 0..3_000 {
        let shape = Shape {
            operations: 60,
            clients: 1 + seed % 12,
            ..any_shape(seed)
        };
        let history = random_history(shape, &mut ChaCha8Rng::seed_from_u64(seed));
        let report = check(&history, Limits::default());
        assert_eq!(
            report.verdict,
            Verdict::Linearizable,
            "seed {seed}, {shape:?}"
        );
    }
}
