//! Every planted bug is caught by what is to catch it.

use quorate_model::{CaughtBy, Mutation, hunt};

#[test]
fn every_planted_bug_is_caught() {
    let mut missed = Vec::new();
    for &mutation in Mutation::ALL {
        let hunt = hunt(mutation);
        println!("{}: {} states", mutation.name(), hunt.explored.states);
        if !hunt.caught {
            missed.push(mutation.name());
        }
        let (CaughtBy::Breaks(expected), Some(found)) = (mutation.caught_by(), hunt.explored.found)
        else {
            continue;
        };
        assert_eq!(found.invariant, expected, "{}", mutation.name());
        println!("  {}", found.steps.join("\n  "));
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

/// The list in the protocol and the planted bugs do not drift apart.
#[test]
fn every_planted_bug_is_named_in_the_model_chapter() {
    let chapter = include_str!("../../../docs/model.md");
    for mutation in Mutation::ALL {
        assert!(chapter.contains(mutation.name()), "{}", mutation.name());
    }
}
