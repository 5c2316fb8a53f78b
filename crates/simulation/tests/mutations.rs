//! Every planted bug is caught. Run with `--features mutations`, and `--nocapture` for the table.

#![cfg(feature = "mutations")]

use quorate_register::mutation::Mutation;
use quorate_simulation::{Settings, hunt, on_all_cores, simulate};

/// A bug that hides longer counts as not caught.
const BOUND: u64 = 6000;

#[test]
fn every_planted_bug_is_caught() {
    let hunts = on_all_cores(Mutation::ALL, |mutation| hunt(*mutation, BOUND));
    println!(
        "| {:<50} | {:>5} | {:>5} | {:<22} | {:>5} | {:>5} | {:<22} |",
        "mutation", "seeds", "seed", "caught by", "seeds", "seed", "seen by clients as not"
    );
    for hunt in &hunts {
        println!("{hunt}");
    }
    println!(
        "to see one: SIMULATION_MUTATION='NAME' SIMULATION_SEED=N \
         cargo test -p quorate-simulation --features mutations --test seeds every -- --nocapture"
    );
    for hunt in &hunts {
        assert!(hunt.first.is_some(), "not caught: {hunt}");
        assert!(hunt.by_clients.is_some(), "not seen by clients: {hunt}");
    }
}

/// The same judges find nothing where nothing is planted.
#[test]
fn nothing_is_caught_where_nothing_is_planted() {
    let seeds: Vec<u64> = (0..300).collect();
    let runs = on_all_cores(&seeds, |seed| simulate(&Settings::of(*seed)));
    for run in runs {
        assert!(run.broken.is_empty(), "{run}");
    }
}
