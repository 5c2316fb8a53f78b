//! A checker is trusted only after it caught what it is there for: bugs planted in a
//! register are found through runner, recorder and checker.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::memory::{Bug, Memory};
use quorate_register::Register;
use quorate_workload::{
    Abandon, History, Limits, Options, Recorder, TokioClock, Verdict, Workload, check,
    check_versions, run,
};
use tokio_util::sync::CancellationToken;

/// A few hundred operations in virtual time.
fn history(bug: Bug, seed: u64) -> History {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let register: Arc<dyn Register> = Arc::new(Memory::new(bug, seed));
        let options = Options {
            clients: 6,
            operations: 300,
            workload: Workload {
                keys: 3,
                ..Workload::default()
            },
            pause: Duration::from_millis(5),
            abandon: Some(Abandon {
                share: 0.05,
                within: Duration::from_millis(20),
            }),
            ..Options::default()
        };
        let recorder = Arc::new(Recorder::new(Arc::new(TokioClock::start())));
        let stop = CancellationToken::new();
        run(&[register], &options, seed, &recorder, &stop)
            .await
            .unwrap()
    })
}

const SEEDS: u64 = 100;

#[test]
fn a_correct_register_is_never_accused() {
    let (mut failed, mut unknown) = (0, 0);
    for seed in 0..SEEDS {
        let history = history(Bug::Nothing, seed);
        assert_eq!(history.operations.len(), 300);
        let report = check(&history, Limits::default());
        assert_eq!(
            report.verdict,
            Verdict::Linearizable,
            "seed {seed}: {report}"
        );
        check_versions(&history).unwrap();
        let summary = history.summary();
        failed += summary.sets.fail;
        unknown += summary.sets.unknown;
    }
    assert!(
        failed > SEEDS && unknown > SEEDS,
        "{failed} failed, {unknown} unknown"
    );
}

#[test]
fn one_seed_gives_one_run() {
    for seed in 0..10 {
        assert_eq!(history(Bug::Nothing, seed), history(Bug::Nothing, seed));
    }
    assert_ne!(history(Bug::Nothing, 1), history(Bug::Nothing, 2));
}

#[test]
fn every_planted_bug_is_caught() {
    for &bug in Bug::ALL {
        let caught = |&seed: &u64| {
            let report = check(&history(bug, seed), Limits::default());
            matches!(report.verdict, Verdict::Violation(_))
        };
        let caught = (0..SEEDS).filter(caught).count() as u64;
        println!("{bug:?}: caught with {caught} of {SEEDS} seeds");
        assert!(
            caught >= SEEDS / 5,
            "{bug:?} was caught with {caught} of {SEEDS} seeds only"
        );
    }
}

/// Versions tell even where no get happened to see it.
#[test]
fn versions_out_of_order_are_caught() {
    for bug in [
        Bug::StaleCache,
        Bug::TwoCopies,
        Bug::LostUpdate,
        Bug::DeleteUndone,
    ] {
        let caught = (0..SEEDS).filter(|&seed| check_versions(&history(bug, seed)).is_err());
        let caught = caught.count() as u64;
        println!("{bug:?}: caught with {caught} of {SEEDS} seeds");
        assert!(
            caught >= SEEDS / 5,
            "{bug:?} was caught with {caught} of {SEEDS} seeds only"
        );
    }
}
