//! The right protocol in every scenario: nothing breaks, and the good things are possible.

use quorate_model::{Scenario, Witness};

#[test]
fn every_scenario_is_explored_completely_and_nothing_breaks() {
    let mut total = 0;
    let mut possible = 0;
    for scenario in Scenario::ALL {
        let explored = scenario.explore();
        println!(
            "{:<42} {:>9} states, depth {}",
            scenario.name, explored.states, explored.depth
        );
        if let Some(found) = explored.found {
            let steps = found.steps.join("\n  ");
            panic!("{}: broken: {}\n  {steps}", scenario.name, found.invariant);
        }
        total += explored.states;
        possible |= explored.witnesses;
        for witness in expected(scenario) {
            assert!(
                explored.witnesses & witness.bit() != 0,
                "{}: {witness}: must be possible",
                scenario.name
            );
        }
    }
    assert!(total >= 1_000_000, "{total} states are too few");
    for witness in Witness::ALL {
        assert!(possible & witness.bit() != 0, "{witness}: nowhere possible");
    }
}

/// What must be possible, so that a scenario is not right by forbidding everything.
fn expected(scenario: &Scenario) -> Vec<Witness> {
    let mut expected = vec![Witness::DoneUnderFirst];
    if scenario.drivers > 0 {
        expected.extend([Witness::DoneUnderJoint, Witness::DoneUnderFinished]);
        if scenario.operations.len() > 1 {
            expected.push(Witness::AllDoneAfterChange);
        }
    }
    if scenario.drivers > 0 && scenario.first.count_ones() > 1 {
        expected.push(Witness::FinishedWithOneDown);
    }
    if scenario.aborts {
        expected.extend([Witness::DoneUnderAborted, Witness::AbortedWithoutNext]);
    }
    if scenario.rollbacks > 0 {
        expected.push(Witness::RollbackRepaired);
    }
    expected
}
