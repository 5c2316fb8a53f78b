//! One seed is one run: proven before any result of a run is read.

use std::time::Duration;

use quorate_simulation::{
    FIRST_PATIENT_CLIENT, FaultKind, Run, Settings, compare, on_all_cores, simulate,
};

fn run(seed: u64) -> Run {
    simulate(&Settings::of(seed))
}

#[test]
fn one_seed_is_one_run_on_whatever_thread() {
    let seeds: Vec<u64> = (0..40).collect();
    let first = on_all_cores(&seeds, |seed| run(*seed));
    for (seed, first) in seeds.iter().zip(&first) {
        compare(first, &run(*seed)).unwrap();
    }
}

/// The comparison would fail if anything did not follow from the seed: another seed's run is
/// noticed, and so is the smallest change at one place of a run.
#[test]
fn the_comparison_notices_every_difference() {
    for seed in 0..20 {
        compare(&run(seed), &run(seed + 1)).unwrap_err();
        let first = run(seed);
        let mut settings = Settings::of(seed);
        settings.client_timeout += Duration::from_millis(1);
        let diverged = compare(&first, &simulate(&settings)).unwrap_err();
        assert_ne!(diverged.first, diverged.second);

        let mut changed = first.clone();
        let last = changed.trace.pop().unwrap();
        assert_eq!(last, '\n');
        changed.trace.push(' ');
        compare(&first, &changed).unwrap_err();
        let mut changed = first.clone();
        changed.history.operations[0].end_ns += 1;
        compare(&first, &changed).unwrap_err();
    }
}

/// Something that is drawn from the machine, in the place of the seed, shows within few runs.
#[test]
fn the_comparison_notices_randomness_of_the_machine() {
    use std::hash::{BuildHasher, RandomState};
    let stray = || {
        let mut settings = Settings::of(1);
        settings.weather.lost = 0.1;
        let drawn = RandomState::new().hash_one(1) % 50;
        settings.weather.usual_ms += drawn;
        simulate(&settings)
    };
    let first = stray();
    assert!((0..20).any(|_| compare(&first, &stray()).is_err()));
}

/// Runs in which nothing happens would prove nothing.
#[test]
fn runs_are_hostile_and_still_get_somewhere() {
    let seeds: Vec<u64> = (0..400).collect();
    let runs = on_all_cores(&seeds, |seed| run(*seed));
    let happened = |kind: &str| {
        let counts = runs.iter().filter_map(|run| run.counts.get(kind));
        counts.sum::<u64>()
    };
    for kind in [
        "replica crashed",
        "replica paused",
        "replica resumed",
        "sync failed",
        "disk filled",
        "disk wiped",
        "disk restored",
        "old disk set aside",
        "coordinator crashed",
        "coordinator shut down",
        "coordinator paused",
        "cut",
        "mended",
        "request lost",
        "answer lost",
        "request cancelled",
        "change completed",
        "bootstrapped",
        "bootstrap failed",
    ] {
        assert!(happened(kind) >= 20, "{kind}: {}", happened(kind));
    }
    assert!(
        FaultKind::ALL.len() >= 13,
        "every kind of fault has an event above"
    );
    let under_faults = || {
        let operations = runs.iter().flat_map(|run| &run.history.operations);
        operations.filter(|operation| operation.client < FIRST_PATIENT_CLIENT)
    };
    let share = |outcome: quorate_workload::Outcome| {
        let those = under_faults().filter(|operation| operation.outcome == outcome);
        those.count() as f64 / under_faults().count() as f64
    };
    use quorate_workload::Outcome::{Fail, Ok, Unknown};
    assert!(share(Ok) > 0.3, "{}", share(Ok));
    assert!(share(Fail) > 0.05, "{}", share(Fail));
    assert!(share(Unknown) > 0.05, "{}", share(Unknown));
}
