//! Is a history linearizable?
//!
//! A history is linearizable if every operation can be given one instant between its start
//! and its end, such that the operations in the order of their instants are what a single
//! register would have done (Herlihy, Wing 1990, *Linearizability*). It is if and only if
//! the operations on each key are (theorem 1 there, locality), so keys are judged one by one.
//! A key has no value at first.
//!
//! What an outcome means: an *ok* operation has an instant between start and end. A *failed*
//! one has none. An *unknown* set or delete has one after its start, or none; an unknown get
//! says nothing. Deciding this is NP-complete in general (Gibbons, Korach 1997, *Testing
//! shared memories*), and easy for what real clients record:
//!
//! 1. `intervals`: a key's operations become intervals with numbered values. An unknown set
//!    that nobody read is dropped: whoever has an order with it has one without it. One that
//!    somebody read took effect before the first reader returned.
//! 2. `zones`: a value that is written once holds from its write to its last read, without a
//!    gap. Where every value is written once, comparing these zones in pairs decides
//!    everything in sorting time, and two that overlap are a short proof of a violation.
//! 3. `search`: deletes all write the same, and so may others. What the zones cannot decide
//!    is searched, in the manner of Wing, Gong 1993 and Lowe 2017 (*Testing for
//!    linearizability*): forward in time, with the set of all states the register may be in.
//!    What bounds it is a number of steps and no time limit ([`Limits`]): a clock would make the
//!    verdict depend on the machine and its load, and a simulation's seed, or a pasted history,
//!    must be judged the same everywhere.
//! 4. `shrink`: a violation is cut down to the few operations that contradict each other,
//!    and `witness` says so in words.

mod interval;
mod problem;
mod search;
mod shrink;
mod witness;
mod zones;

use std::collections::BTreeMap;
use std::fmt;

use quorate_register::Key;

use crate::{History, Operation};
use interval::Interval;
use problem::Problem;
use search::Found;
use zones::Anomalous;

pub use witness::{Anomaly, Witness};

/// How much work a check may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most search steps per key, each some 100 ns. Counted instead of timed, so that the
    /// same history always gets the same answer.
    pub steps_per_key: u64,
}

impl Default for Limits {
    /// A few seconds per key at most.
    fn default() -> Self {
        Self {
            steps_per_key: 20_000_000,
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every key is linearizable.
    Linearizable,
    /// A key is not, and this is why; the first such key in the order of keys.
    Violation(Box<Witness>),
    /// No key is known not to be, and at least one could not be decided within the limits.
    Undecided(Undecided),
}

/// A key that could not be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The first such key in the order of keys.
    pub key: Key,
    /// Why.
    pub reason: String,
}

/// The verdict, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The verdict.
    pub verdict: Verdict,
    /// How many keys were judged; the rest came after the key with the violation.
    pub keys: usize,
    /// How many operations those keys have.
    pub operations: usize,
    /// How many search steps it took.
    pub steps: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Linearizable => write!(
                f,
                "linearizable: {} operations on {} keys",
                self.operations, self.keys
            ),
            Verdict::Violation(witness) => write!(f, "not linearizable: {witness}"),
            Verdict::Undecided(Undecided { key, reason }) => {
                write!(
                    f,
                    "undecided: key {}: {reason}",
                    witness::quoted(key.bytes())
                )
            }
        }
    }
}

/// Judges a history; see the documentation of the crate for an example.
pub fn check(history: &History, limits: Limits) -> Report {
    let mut by_key: BTreeMap<&Key, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        by_key.entry(&operation.key).or_default().push(operation);
    }
    let mut report = Report {
        verdict: Verdict::Linearizable,
        keys: 0,
        operations: 0,
        steps: 0,
    };
    for (key, operations) in by_key {
        report.keys += 1;
        report.operations += operations.len();
        let mut steps = Steps::new(limits.steps_per_key);
        let intervals = interval::intervals(&operations);
        let decision = decide(&intervals, &mut steps);
        report.steps += steps.spent();
        match decision {
            Decision::Linearizable => {}
            Decision::Undecided(reason) => {
                if report.verdict == Verdict::Linearizable {
                    let key = key.clone();
                    report.verdict = Verdict::Undecided(Undecided { key, reason });
                }
            }
            decision => {
                let mut shrinking = Steps::new(limits.steps_per_key);
                let proof = shrink::prove(&intervals, decision, &mut shrinking);
                report.steps += shrinking.spent();
                let witness = witness::Witness::new(key, &operations, proof);
                report.verdict = Verdict::Violation(Box::new(witness));
                return report;
            }
        }
    }
    report
}

/// What is known of the operations on one key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Decision {
    Linearizable,
    /// A read or a pair of values is impossible by itself.
    Anomalous(Anomalous),
    /// No order exists; the search ran out of states when this interval ended.
    NoOrder {
        at: usize,
    },
    Undecided(String),
}

fn decide(intervals: &[Interval], steps: &mut Steps) -> Decision {
    if let Some(anomalous) = zones::find_anomaly(intervals) {
        return Decision::Anomalous(anomalous);
    }
    if zones::decides(intervals) {
        return Decision::Linearizable;
    }
    match search::search(&Problem::new(intervals), steps) {
        Found::Order => Decision::Linearizable,
        Found::NoOrder { at } => Decision::NoOrder { at },
        Found::OutOfSteps => {
            Decision::Undecided(format!("no answer within {} search steps", steps.limit))
        }
        Found::TooConcurrent { pending, limit } => Decision::Undecided(format!(
            "{pending} operations were pending at once; the limit is {limit}"
        )),
    }
}

/// A budget of search steps.
#[derive(Debug)]
struct Steps {
    limit: u64,
    left: u64,
}

impl Steps {
    fn new(limit: u64) -> Self {
        Self { limit, left: limit }
    }

    /// Spends steps; whether there were so many left.
    fn spend(&mut self, steps: usize) -> bool {
        let left = self.left.checked_sub(steps as u64);
        self.left = left.unwrap_or_default();
        left.is_some()
    }

    fn spent(&self) -> u64 {
        self.limit - self.left
    }
}

#[cfg(test)]
mod tests;
