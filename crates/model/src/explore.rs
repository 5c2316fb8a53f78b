//! Breadth-first search over all states.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use crate::fingerprint::fingerprint;
use crate::invariant::{Invariant, Witnesses};
use crate::state::State;
use crate::world::World;

/// What an exploration found.
#[derive(Debug)]
pub struct Explored {
    /// Distinct states.
    pub states: usize,
    /// The longest way from the beginning, in steps.
    pub depth: usize,
    /// What was shown to be possible.
    pub witnesses: Witnesses,
    /// The first invariant that broke, if one did; the search ends with it.
    pub found: Option<Found>,
}

/// A shortest way to a broken invariant.
#[derive(Debug)]
pub struct Found {
    /// What broke.
    pub invariant: Invariant,
    /// The steps, in words; the last breaks it.
    pub steps: Vec<String>,
}

/// Fingerprints are mixed already.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, _: &[u8]) {
        unreachable!("only fingerprints are hashed");
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// How a state was reached first: from which, and by which of its steps.
#[derive(Clone, Copy)]
struct Reached {
    from: u32,
    step: u16,
}

/// Visits every state of `world`, or stops at the first that breaks one of `judged`.
///
/// States are kept only while their successors are made; afterwards there is a fingerprint and
/// the way back of 8 bytes each, and a counterexample is made by taking its steps again.
///
/// # Panics
/// When there are more than `limit` states: a scenario is explored completely or not at all.
pub fn explore(world: &World, judged: impl Fn(Invariant) -> bool, limit: usize) -> Explored {
    let mut known: HashSet<u64, BuildHasherDefault<Mixed>> = HashSet::default();
    let initial = world.initial();
    known.insert(fingerprint(&initial));
    let mut ways = vec![Reached { from: 0, step: 0 }];
    let mut level = vec![(0u32, initial)];
    let mut explored = Explored {
        states: 1,
        depth: 0,
        witnesses: 0,
        found: None,
    };
    let mut successors = Vec::new();
    while !level.is_empty() {
        let mut next_level = Vec::new();
        for (from, state) in level {
            world.successors(&state, &mut successors);
            for (step, successor) in successors.drain(..).enumerate() {
                explored.witnesses |= successor.witnesses;
                let way = Reached {
                    from,
                    step: step as u16,
                };
                let broken = |invariant: &Invariant| successor.broken & invariant.bit() != 0;
                let mut broken = Invariant::ALL.into_iter().filter(broken);
                if let Some(invariant) = broken.find(|&invariant| judged(invariant)) {
                    explored.found = Some(Found {
                        invariant,
                        steps: replay(world, &ways, way),
                    });
                    explored.states = ways.len();
                    explored.depth += 1;
                    return explored;
                }
                if known.insert(fingerprint(&successor.state)) {
                    next_level.push((ways.len() as u32, successor.state));
                    ways.push(way);
                    assert!(ways.len() <= limit, "at most {limit} states");
                }
            }
        }
        level = next_level;
        explored.depth += usize::from(!level.is_empty());
    }
    explored.states = ways.len();
    explored
}

/// The steps from the beginning to the end of `last`.
fn replay(world: &World, ways: &[Reached], last: Reached) -> Vec<String> {
    let mut steps = vec![last.step];
    let mut at = last.from;
    while at != 0 {
        steps.push(ways[at as usize].step);
        at = ways[at as usize].from;
    }
    let mut state: State = world.initial();
    let mut words = Vec::new();
    let mut successors = Vec::new();
    for step in steps.into_iter().rev() {
        world.successors(&state, &mut successors);
        let taken = &successors[usize::from(step)];
        words.push(taken.step.describe(&world.scenario, &world.configs));
        state = taken.state.clone();
    }
    words
}
