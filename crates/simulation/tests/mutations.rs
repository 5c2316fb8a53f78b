//! Every planted bug is caught. Run with `--features mutations`, and `--nocapture` for the table;
//! `SIMULATION_MUTATION` hunts one only.

#![cfg(feature = "mutations")]

use std::env;

use quorate_register::mutation::Mutation;
use quorate_simulation::{Catch, Settings, hunt, on_all_cores, simulate};

/// A bug that hides longer counts as not caught.
const BOUND: u64 = 6000;

/// So many seeds more clients have to see it too.
const PATIENCE: u64 = 1500;

/// What hardly any seed shows: the window is too narrow for chance. The model catches it, in which
/// every order of steps is tried.
const LEFT_TO_THE_MODEL: &[Mutation] = &[Mutation::ScanNotSealed, Mutation::FenceNotAtomicWithRead];

/// Those that the judges see, who look at disks and configs, and no client so soon.
const SEEN_BY_JUDGES_ONLY: &[Mutation] = &[
    Mutation::FastPathOnCurrentOnly,
    Mutation::JointWritesToCurrentOnly,
    Mutation::SealNotDurable,
];

#[test]
fn every_planted_bug_is_caught() {
    let named = env::var("SIMULATION_MUTATION").ok();
    let is_meant = |it: &&Mutation| match &named {
        Some(name) => it.name() == name,
        None => !LEFT_TO_THE_MODEL.contains(it),
    };
    let mutations: Vec<_> = Mutation::ALL.iter().filter(is_meant).collect();
    assert!(!mutations.is_empty(), "SIMULATION_MUTATION names none");
    println!(
        "| {:<62} | {:<8} | {:>5} | {:>5} | {:<22} | {:>5} | {:>5} | {:<22} |",
        "mutation", "runs", "seeds", "seed", "caught by", "seeds", "seed", "seen by clients as not"
    );
    let hunts = on_all_cores(&mutations, |mutation| {
        let patience = match SEEN_BY_JUDGES_ONLY.contains(mutation) {
            true => 0,
            false => PATIENCE,
        };
        let hunt = hunt(**mutation, BOUND, patience);
        println!("{hunt}");
        hunt
    });
    println!(
        "to see one: SIMULATION_SCENARIO=RUNS SIMULATION_MUTATION='NAME' SIMULATION_SEED=N \
         cargo test -p quorate-simulation --features mutations --test seeds every -- --nocapture"
    );
    for hunt in &hunts {
        assert!(hunt.first.is_some(), "not caught: {hunt}");
        let expected = !SEEN_BY_JUDGES_ONLY.contains(&hunt.mutation);
        assert!(
            hunt.by_clients.is_some() || !expected,
            "not seen by clients: {hunt}"
        );
        for Catch { seed, .. } in [hunt.first, hunt.by_clients].into_iter().flatten() {
            let run = simulate(&hunt.scenario.settings(seed));
            assert!(run.broken.is_empty(), "without any planted bug: {run}");
        }
    }
}

/// The same judges find nothing where nothing is planted.
#[test]
fn nothing_is_caught_where_nothing_is_planted() {
    let seeds: Vec<u64> = (0..300).collect();
    let runs = on_all_cores(&seeds, |seed| {
        [Settings::of(*seed), Settings::changing(*seed)].map(|settings| simulate(&settings))
    });
    for run in runs.iter().flatten() {
        assert!(run.broken.is_empty(), "{run}");
    }
}
