//! The second level: seeds over real HTTP/2, each run twice, compared, and then judged.

use std::env;

use quorate_simulation::{
    Seeds, WireFault, WireSettings, compare, on_all_cores, simulate_wire, simulate_wire_twice,
};

/// The seeds that are run when `WIRE_SEEDS` names none.
const DEFAULT: std::ops::Range<u64> = 0..60;

#[test]
fn every_seed_over_http2_keeps_every_invariant() {
    let variable = |name| env::var(name).ok();
    let (one, range) = (variable("WIRE_SEED"), variable("WIRE_SEEDS"));
    if one.is_none() && range.is_none() {
        return judge(&DEFAULT.collect::<Vec<_>>());
    }
    match Seeds::named(one.as_deref(), range.as_deref()).unwrap() {
        Seeds::One(seed) => {
            let [run, again] = [(); 2].map(|()| simulate_wire(&WireSettings::of(seed)));
            println!("{}\n{}{:#?}", run.trace, run.history_text(), run.counts);
            compare(&run, &again).unwrap_or_else(|diverged| panic!("seed {seed}: {diverged}"));
            assert!(run.broken.is_empty(), "{run}");
        }
        Seeds::Range(seeds) => judge(&seeds.collect::<Vec<_>>()),
    }
}

fn judge(seeds: &[u64]) {
    let runs = on_all_cores(seeds, |seed| (*seed, simulate_wire_twice(*seed)));
    let mut findings = String::new();
    let mut operations = 0;
    for (seed, run) in runs {
        match run {
            Err(diverged) => findings += &format!("seed {seed}: {diverged}\n"),
            Ok(run) => {
                operations += run.history.operations.len();
                findings += &run.to_string();
            }
        }
    }
    println!("{} seeds over HTTP/2, {operations} operations", seeds.len());
    assert!(
        findings.is_empty(),
        "{findings}to see one: WIRE_SEED=N cargo test -p quorate-simulation --test wire every -- --nocapture"
    );
}

/// Another seed's run is noticed, and so is the smallest change of one.
#[test]
fn the_comparison_notices_a_difference() {
    let first = simulate_wire(&WireSettings::of(1));
    compare(&first, &simulate_wire(&WireSettings::of(2))).unwrap_err();
    let mut settings = WireSettings::of(1);
    settings.client_timeout += std::time::Duration::from_millis(1);
    compare(&first, &simulate_wire(&settings)).unwrap_err();
}

/// Runs in which nothing happens would prove nothing.
#[test]
fn runs_over_http2_are_hostile_and_get_somewhere() {
    use quorate_workload::Outcome::{Ok, Unknown};
    let seeds: Vec<u64> = (0..40).collect();
    let runs = on_all_cores(&seeds, |seed| simulate_wire(&WireSettings::of(*seed)));
    for kind in WireFault::ALL {
        let counts = runs.iter().filter_map(|run| run.counts.get(kind.name()));
        let happened: u64 = counts.sum();
        assert!(happened >= 10, "{}: {happened}", kind.name());
    }
    let all = || runs.iter().flat_map(|run| &run.history.operations);
    let ended = |outcome| all().filter(|it| it.outcome == outcome).count();
    assert!(ended(Ok) > all().count() / 2);
    assert!(ended(Unknown) > 10, "{}", ended(Unknown));
}

/// The judges of this level are trusted only after they caught something.
#[cfg(feature = "mutations")]
#[test]
fn planted_bugs_are_caught_over_http2_too() {
    use quorate_register::mutation::{Mutation, plant};
    const BOUND: u64 = 200;
    let mutations = [
        Mutation::AckBeforePersist,
        Mutation::DuplicateAcksCounted,
        Mutation::LateWriteRefused,
        Mutation::NoWriteBack,
    ];
    let caught = on_all_cores(&mutations, |mutation| {
        plant(Some(*mutation));
        let mut runs = (0..BOUND).map(|seed| simulate_wire(&WireSettings::of(seed)));
        let broken = runs.find(|run| !run.broken.is_empty());
        plant(None);
        broken.map(|run| (run.seed, run.broken[0].invariant.name()))
    });
    for (mutation, caught) in mutations.iter().zip(&caught) {
        println!("over HTTP/2 | {} | {caught:?}", mutation.name());
    }
    assert!(caught.iter().all(Option::is_some), "not all are caught");
}
