//! One way in which the operations so far may have taken effect.

use super::slots::Slots;
use crate::checker::interval::Value;

/// Stands for every value that no read will ever be called for again: they are all alike.
pub(super) const DEAD: Value = Value::MAX;

/// What the register holds, and what became of the pending operations.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State<const WORDS: usize> {
    /// What the register holds.
    pub(super) value: Value,
    /// Reads that have their instant, and writes that took effect and were seen to.
    pub(super) done: Slots<WORDS>,
    /// Writes that may have taken effect unseen, right before another one; those in `done`
    /// are in here too.
    pub(super) covered: Slots<WORDS>,
    /// How many of the writes that never return took effect, per pool.
    pub(super) spent: Box<[u32]>,
}

impl<const WORDS: usize> State<WORDS> {
    /// Whether every way on from `other` is a way on from this state as well. `writes` are
    /// the pending writes, and `single` says which values are written once.
    ///
    /// A read with its instant needs nothing more. A write that did not take effect can still
    /// do so, or, if it is covered, pass for one that did. Holding a value that others can
    /// replace at any time is no worse than holding a dead one.
    pub(super) fn dominates(
        &self,
        other: &Self,
        writes: &Slots<WORDS>,
        single: impl Fn(Value) -> bool,
    ) -> bool {
        let value = self.value == other.value || other.value == DEAD && !single(self.value);
        value
            && other.covered.is_subset(&self.covered)
            && other.done.difference(writes).is_subset(&self.done)
            && self.done.intersection(writes).is_subset(&other.done)
            && self
                .spent
                .iter()
                .zip(&other.spent)
                .all(|(own, others)| own <= others)
    }
}

/// Drops states that others dominate, of states that are all different.
pub(super) fn drop_dominated<const WORDS: usize>(
    states: &mut Vec<State<WORDS>>,
    writes: &Slots<WORDS>,
    single: impl Fn(Value) -> bool,
) {
    let mut kept = 0;
    for next in 0..states.len() {
        let (before, rest) = states.split_at(next);
        let dominated = |by: &State<WORDS>| by.dominates(&rest[0], writes, &single);
        if before[..kept].iter().any(dominated) {
            continue;
        }
        // Those that this one dominates make room: two never dominate each other, since
        // then they would be equal.
        let mut survivors = 0;
        for index in 0..kept {
            if !states[next].dominates(&states[index], writes, &single) {
                states.swap(survivors, index);
                survivors += 1;
            }
        }
        states.swap(survivors, next);
        kept = survivors + 1;
    }
    states.truncate(kept);
}
