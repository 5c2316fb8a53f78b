//! The seeds: each is run twice, compared, and then judged.

use std::env;

use quorate_simulation::{Scenario, Seeds, checked, listed, on_all_cores, simulate_twice};

const ONCE_FAILED: &str = include_str!("../seeds.txt");

fn assert_all_keep_every_invariant(scenario: Scenario, seeds: &[u64]) {
    let failures = on_all_cores(seeds, |seed| checked(&scenario.settings(*seed)).err());
    let failures: Vec<_> = failures.into_iter().flatten().collect();
    assert!(
        failures.is_empty(),
        "{} of {} seeds fail:\n{}",
        failures.len(),
        seeds.len(),
        failures[..failures.len().min(10)].concat()
    );
}

#[test]
fn seeds_that_once_failed_keep_every_invariant() {
    assert_all_keep_every_invariant(Scenario::Any, &listed(ONCE_FAILED).unwrap());
}

#[test]
fn every_seed_keeps_every_invariant() {
    let variable = |name| env::var(name).ok();
    let (one, range) = (variable("SIMULATION_SEED"), variable("SIMULATION_SEEDS"));
    let scenario = Scenario::named(variable("SIMULATION_SCENARIO").as_deref()).unwrap();
    match Seeds::named(one.as_deref(), range.as_deref()).unwrap() {
        Seeds::One(seed) => show(scenario, seed),
        Seeds::Range(seeds) => {
            assert_all_keep_every_invariant(scenario, &seeds.collect::<Vec<_>>());
        }
    }
}

#[test]
fn changes_all_the_time_keep_every_invariant() {
    for scenario in [Scenario::Changing, Scenario::Lagging] {
        let seeds: Vec<_> = (0..SEEDS_OF_CHANGES).collect();
        assert_all_keep_every_invariant(scenario, &seeds);
    }
}

const SEEDS_OF_CHANGES: u64 = 500;

/// Prints a run for a person, with the bug that `SIMULATION_MUTATION` names, if any.
fn show(scenario: Scenario, seed: u64) {
    #[cfg(feature = "mutations")]
    if let Ok(name) = env::var("SIMULATION_MUTATION") {
        use quorate_register::mutation::{Mutation, plant};
        let named = Mutation::ALL.iter().find(|m| m.name() == name);
        plant(Some(*named.expect("SIMULATION_MUTATION names a mutation")));
    }
    let run = simulate_twice(&scenario.settings(seed))
        .unwrap_or_else(|diverged| panic!("seed {seed}: {diverged}"));
    println!("{}\n{}{:#?}", run.trace, run.history_text(), run.counts);
    assert!(run.broken.is_empty(), "{run}");
}
