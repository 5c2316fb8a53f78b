//! Hunting a planted bug, and what came of it.

use crate::explore::{Explored, explore};
use crate::mutation::{CaughtBy, Mutation};
use crate::scenario::Scenario;
use crate::world::World;

/// More states than these are too many for a small world.
const LIMIT: usize = 30_000_000;

/// What a hunt came to.
#[derive(Debug)]
pub struct Hunt {
    /// Whether what is to catch the bug did.
    pub caught: bool,
    /// The exploration with the bug in it.
    pub explored: Explored,
}

/// Plants a bug and looks whether it is caught.
///
/// A lost witness counts only where the right protocol has it.
pub fn hunt(mutation: Mutation) -> Hunt {
    let scenario = mutation.scenario();
    match mutation.caught_by() {
        CaughtBy::Breaks(expected) => {
            let world = World::new(scenario, Some(mutation));
            let explored = explore(&world, |broken| broken == expected, LIMIT);
            Hunt {
                caught: explored.found.is_some(),
                explored,
            }
        }
        CaughtBy::Loses(witness) => {
            let right = explore(&World::new(scenario.clone(), None), |_| true, LIMIT);
            let explored = explore(&World::new(scenario, Some(mutation)), |_| false, LIMIT);
            let had = right.found.is_none() && right.witnesses & witness.bit() != 0;
            Hunt {
                caught: had && explored.witnesses & witness.bit() == 0,
                explored,
            }
        }
    }
}

impl Scenario {
    /// Explores the right protocol completely, or up to a counterexample.
    pub fn explore(&self) -> Explored {
        explore(&World::new(self.clone(), None), |_| true, LIMIT)
    }
}
