//! What a state becomes when an operation returns.

use super::Search;
use super::state::{DEAD, State};
use crate::checker::Steps;
use crate::checker::interval::Value;

impl<const WORDS: usize> Search<'_, WORDS> {
    /// Adds the states that `state` becomes when the operation returns; whether the budget lasted.
    pub(super) fn step(
        &self,
        state: &State<WORDS>,
        operation: usize,
        next: &mut Vec<State<WORDS>>,
        steps: &mut Steps,
    ) -> bool {
        let slot = self.slots[operation];
        let returned = self.problem.operations[operation];
        if state.done.contains(slot) {
            next.push(state.clone());
            return true;
        }
        if returned.write {
            let covered = state.covered.contains(slot);
            if covered && self.may_stay_unseen(state, returned.value) {
                next.push(state.clone());
            }
            if covered && !self.is_worth_seeing(state, returned.value) {
                return true;
            }
        }
        self.switch(state, returned.value, slot, next, steps)
    }

    /// Whether a covered write of the value may return unseen. The only write of a value that
    /// is read may not. And where it replaces a value that nobody needs, being seen is better.
    fn may_stay_unseen(&self, state: &State<WORDS>, value: Value) -> bool {
        let facts = self.problem.values[value as usize];
        if facts.single {
            return !facts.read;
        }
        let free = state.value == DEAD || state.value == value;
        !(free && self.is_worth_seeing(state, value))
    }

    /// Whether a read may still need a write of the value.
    fn is_worth_seeing(&self, state: &State<WORDS>, value: Value) -> bool {
        let waiting = self.pending_reads.difference(&state.done);
        self.is_live(value) || waiting.iter().any(|slot| self.value_in(slot) == value)
    }

    fn value_in(&self, slot: usize) -> Value {
        self.problem.operations[self.operations[slot]].value
    }

    /// Adds the ways to make `value` the one that the register holds, for the sake of the
    /// operation in `slot`; none if the present value cannot be left or no write is there.
    fn switch(
        &self,
        state: &State<WORDS>,
        value: Value,
        slot: usize,
        next: &mut Vec<State<WORDS>>,
        steps: &mut Steps,
    ) -> bool {
        if self.is_single(state.value) {
            return true;
        }
        let mut base = state.clone();
        let optional = self.visit_in_passing(&mut base, value);
        if base.done.contains(slot) {
            next.push(base);
            return true;
        }
        let from = next.len();
        next.push(base);
        if self.is_live(value) {
            // It may be impossible to leave it again before others return: what can be
            // visited on the way may have to be.
            for other in optional {
                for index in from..next.len() {
                    if !steps.spend(1) {
                        return false;
                    }
                    let mut visited = next[index].clone();
                    if self.write(&mut visited, other) {
                        next.push(visited);
                    }
                }
            }
        }
        let mut kept = from;
        for index in from..next.len() {
            if self.write(&mut next[index], value) {
                next.swap(kept, index);
                kept += 1;
            }
        }
        next.truncate(kept);
        true
    }

    /// Visits every value that pending reads wait for and no read to come; returns the
    /// values other than `goal` that could be visited as well, at the cost of a write that
    /// may be missed later.
    fn visit_in_passing(&self, state: &mut State<WORDS>, goal: Value) -> Vec<Value> {
        let mut optional = Vec::new();
        for slot in self.pending_reads.iter() {
            let value = self.value_in(slot);
            if state.done.contains(slot) {
                continue;
            }
            if !self.is_live(value) {
                self.write(state, value);
            } else if value != goal && !self.is_single(value) && !optional.contains(&value) {
                optional.push(value);
            }
        }
        optional
    }

    /// Lets a pending write of the value take effect; `false` if there is none.
    fn write(&self, state: &mut State<WORDS>, value: Value) -> bool {
        let available = self.pending_writes.difference(&state.done);
        let writes = available
            .iter()
            .filter(|&slot| self.value_in(slot) == value);
        let returns = |slot: &usize| self.problem.operations[self.operations[*slot]].returns;
        if let Some(slot) = writes.min_by_key(returns) {
            state.done.insert(slot);
        } else {
            let pool = self.problem.values[value as usize].pool;
            let Some(pool) = pool.filter(|&pool| state.spent[pool] < self.called[pool]) else {
                return false;
            };
            state.spent[pool] += 1;
        }
        state.covered = state.covered.union(&self.pending_writes);
        for slot in self.pending_reads.iter() {
            if self.value_in(slot) == value {
                state.done.insert(slot);
            }
        }
        state.value = if self.is_live(value) { value } else { DEAD };
        true
    }
}
