//! Searches an order for operations on one key, whatever they write.
//!
//! The search goes through calls and returns in the order of time and keeps every
//! [`State`] the register may be in. An operation must have had its instant when it returns,
//! so only returns force a state to go on (Lowe 2017, just-in-time linearization). Between
//! them nothing is decided early, and what is not worth deciding is never decided:
//!
//! - A pending read of the value that the register holds takes its instant at once: it
//!   changes nothing, and needs nothing more.
//! - A write that nobody sees may have happened right before any other write that took
//!   effect while it was pending. So, when a write is made visible, all pending ones are
//!   *covered*: they may return without having been decided. A covered write that was never
//!   used serves better than one that was, since it can still be made visible.
//! - A value that is written once and will be read by a call yet to come cannot be left. A
//!   value that was left must not be needed again.
//! - A value for which no read will be called any more can be visited in passing, for the
//!   sake of pending reads, when another value is left anyway: that costs nothing.
//! - Of several pending writes of one value the one that returns first is used: the others
//!   remain available for longer. Writes that never return are used last; they are
//!   alike, so it is enough to count them.
//!
//! In a history with unique values these rules leave one state, or a few where deletes are
//! pending, and the search takes one step per return.

mod moves;
mod slots;
mod state;

use super::Steps;
use super::interval::Value;
use super::problem::{Event, Problem};
use slots::Slots;
use state::{DEAD, State, drop_dominated};

/// The most operations that may be pending at once.
const MOST_PENDING: usize = 4096;

/// The most states that are kept at once, so that memory has a limit.
const MOST_STATES: usize = 1 << 20;

/// Up to so many states are compared all with all, to drop those that others dominate.
const MOST_COMPARED: usize = 2048;

/// What the search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// There is an order.
    Order,
    /// There is none: no state was left when this interval ended.
    NoOrder { at: usize },
    /// The budget is used up.
    OutOfSteps,
    /// More operations are pending at once than the search can hold.
    TooConcurrent { pending: usize, limit: usize },
}

/// Searches an order within the budget.
pub(super) fn search(problem: &Problem, steps: &mut Steps) -> Found {
    match problem.most_pending {
        ..=64 => Search::<1>::new(problem).run(steps),
        65..=256 => Search::<4>::new(problem).run(steps),
        257..=1024 => Search::<16>::new(problem).run(steps),
        1025..=MOST_PENDING => Search::<64>::new(problem).run(steps),
        pending => Found::TooConcurrent {
            pending,
            limit: MOST_PENDING,
        },
    }
}

struct Search<'a, const WORDS: usize> {
    problem: &'a Problem,
    /// The number of the event that is being handled.
    now: u32,
    /// Which slot each operation has while it is pending.
    slots: Vec<usize>,
    /// Which operation is in each slot.
    operations: Vec<usize>,
    free: Vec<usize>,
    pending_reads: Slots<WORDS>,
    pending_writes: Slots<WORDS>,
    /// How many writes that never return were called, per pool.
    called: Vec<u32>,
    states: Vec<State<WORDS>>,
    next: Vec<State<WORDS>>,
    /// How many states were left when they were last pruned.
    pruned: usize,
}

impl<'a, const WORDS: usize> Search<'a, WORDS> {
    fn new(problem: &'a Problem) -> Self {
        let initial = State {
            value: super::interval::ABSENT,
            done: Slots::EMPTY,
            covered: Slots::EMPTY,
            spent: vec![0; problem.pools].into(),
        };
        let mut search = Self {
            problem,
            now: 0,
            slots: vec![usize::MAX; problem.operations.len()],
            operations: vec![usize::MAX; WORDS * 64],
            free: (0..WORDS * 64).rev().collect(),
            pending_reads: Slots::EMPTY,
            pending_writes: Slots::EMPTY,
            called: vec![0; problem.pools],
            states: Vec::new(),
            next: Vec::new(),
            pruned: 1,
        };
        let live = search.problem.values[initial.value as usize].read;
        let value = if live { initial.value } else { DEAD };
        search.states.push(State { value, ..initial });
        search
    }

    fn run(mut self, steps: &mut Steps) -> Found {
        for (number, event) in self.problem.events.iter().enumerate() {
            self.now = number as u32;
            match *event {
                Event::Call(operation) => self.call(operation),
                Event::Return(operation) => {
                    if !self.ret(operation, steps) {
                        return Found::OutOfSteps;
                    }
                    if self.states.is_empty() {
                        let at = self.problem.operations[operation].position;
                        return Found::NoOrder { at };
                    }
                }
            }
        }
        Found::Order
    }

    fn call(&mut self, operation: usize) {
        let called = self.problem.operations[operation];
        let facts = self.problem.values[called.value as usize];
        if called.returns.is_none() {
            let pool = facts.pool.expect("only writes of a pool never return");
            self.called[pool] += 1;
            return;
        }
        let slot = self
            .free
            .pop()
            .expect("there is a slot for every pending operation");
        self.slots[operation] = slot;
        self.operations[slot] = operation;
        if called.write {
            self.pending_writes.insert(slot);
            return;
        }
        self.pending_reads.insert(slot);
        let live = self.is_live(called.value);
        for state in self
            .states
            .iter_mut()
            .filter(|state| state.value == called.value)
        {
            state.done.insert(slot);
            if !live {
                state.value = DEAD;
            }
        }
    }

    /// Whether a read of the value will be called after now.
    fn is_live(&self, value: Value) -> bool {
        let last = self.problem.values[value as usize].last_read_call;
        last.is_some_and(|last| last > self.now)
    }

    fn is_single(&self, value: Value) -> bool {
        value != DEAD && self.problem.values[value as usize].single
    }

    /// Takes every state over the return of an operation; whether the budget lasted.
    fn ret(&mut self, operation: usize, steps: &mut Steps) -> bool {
        let slot = self.slots[operation];
        let states = std::mem::take(&mut self.states);
        let mut next = std::mem::take(&mut self.next);
        let mut lasted = steps.spend(states.len());
        for state in &states {
            lasted = lasted && self.step(state, operation, &mut next, steps);
        }
        self.pending_reads.remove(slot);
        self.pending_writes.remove(slot);
        self.free.push(slot);
        for state in &mut next {
            state.done.remove(slot);
            state.covered.remove(slot);
        }
        lasted = lasted && next.len() <= MOST_STATES && self.prune(&mut next, steps);
        self.states = next;
        self.next = states;
        self.next.clear();
        lasted
    }

    /// Drops states that are not needed beside others; whether the budget lasted.
    fn prune(&mut self, states: &mut Vec<State<WORDS>>, steps: &mut Steps) -> bool {
        // Where many remain, comparing them all did not help: it is done only now and then.
        if states.len() > 16 && states.len() < 2 * self.pruned {
            return true;
        }
        self.pruned = states.len();
        if states.len() <= 1 {
            return true;
        }
        states.sort_unstable();
        states.dedup();
        let count = states.len();
        self.pruned = count;
        if count > MOST_COMPARED {
            return true;
        }
        drop_dominated(states, &self.pending_writes, |value| self.is_single(value));
        self.pruned = states.len();
        steps.spend(count * count / 16)
    }
}
