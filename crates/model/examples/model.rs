//! Prints what the model explored, and the shortest counterexample of every planted bug.

use std::process::ExitCode;

use quorate_model::{CaughtBy, Mutation, Scenario, Witness, hunt};

fn main() -> ExitCode {
    let filter: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| filter.is_empty() || filter.iter().any(|f| name.contains(f.as_str()));
    let mut good = true;
    let mut total = 0;
    println!("{:<40} {:>9} {:>6}  verdict", "scenario", "states", "depth");
    for scenario in Scenario::ALL.iter().filter(|s| wanted(s.name)) {
        let explored = scenario.explore();
        total += explored.states;
        let verdict = match &explored.found {
            None => "complete, nothing broken".to_owned(),
            Some(found) => format!("BROKEN: {}", found.invariant),
        };
        println!(
            "{:<40} {:>9} {:>6}  {verdict}",
            scenario.name, explored.states, explored.depth
        );
        for witness in Witness::ALL {
            if explored.witnesses & witness.bit() != 0 {
                println!("    possible: {witness}");
            }
        }
        if let Some(found) = explored.found {
            good = false;
            print_steps(&found.steps);
        }
    }
    println!("{total} states in all\n");
    for &mutation in Mutation::ALL.iter().filter(|m| wanted(m.name())) {
        let hunt = hunt(mutation);
        good &= hunt.caught;
        let by = match mutation.caught_by() {
            CaughtBy::Breaks(invariant) => format!("breaks: {invariant}"),
            CaughtBy::Loses(witness) => format!("impossible: {witness}"),
        };
        let verdict = if hunt.caught { "caught" } else { "NOT CAUGHT" };
        let states = hunt.explored.states;
        let place = mutation.scenario().name;
        println!(
            "{verdict}: {}\n  in {place}, {by}, {states} states",
            mutation.name()
        );
        if let Some(found) = hunt.explored.found {
            print_steps(&found.steps);
        }
    }
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn print_steps(steps: &[String]) {
    for (index, step) in steps.iter().enumerate() {
        println!("  {:>3}. {step}", index + 1);
    }
}
