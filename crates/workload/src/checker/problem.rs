//! What the search works on.

use super::interval::{Interval, Value, occurrences};

/// Intervals as the search wants them: events in order of time, and what it must know of
/// each value.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) operations: Vec<Timed>,
    /// Calls and returns in order of time, where a call comes before a return of the same time.
    pub(super) events: Vec<Event>,
    /// By number.
    pub(super) values: Vec<ValueFacts>,
    /// How many values have unknown writes, see [`ValueFacts::pool`].
    pub(super) pools: usize,
    /// The most operations that are pending at once, those that never return not counted.
    pub(super) most_pending: usize,
}

/// An operation of a [`Problem`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed {
    /// Its position in the intervals the problem was made of.
    pub(super) position: usize,
    pub(super) write: bool,
    pub(super) value: Value,
    /// The number of its return event; `None`: it never returns.
    pub(super) returns: Option<u32>,
}

/// Call or return of an operation, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Call(usize),
    Return(usize),
}

/// What the search must know of a value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ValueFacts {
    /// See [`Occurrence::is_single`](super::interval::Occurrence::is_single).
    pub(super) single: bool,
    /// Whether it is ever read.
    pub(super) read: bool,
    /// The number of the call event of its last read.
    pub(super) last_read_call: Option<u32>,
    /// Where writes of it that never return are counted.
    pub(super) pool: Option<usize>,
}

impl Problem {
    /// The problem of these intervals.
    ///
    /// A write that may take effect at any time or never is dropped when its value is not
    /// read: an order with it remains one without it. When it is the only write of a value
    /// that is read, it took effect before the first of these reads returned: it becomes one
    /// that returned then. Neither changes whether there is an order, and what remains are
    /// unknown writes of values with several writes, mostly deletes.
    pub(super) fn new(intervals: &[Interval]) -> Self {
        let occurrences = occurrences(intervals);
        let mut values = vec![ValueFacts::default(); occurrences.len()];
        for (value, (facts, occurrence)) in values.iter_mut().zip(&occurrences).enumerate() {
            facts.single = occurrence.is_single(value as Value);
            facts.read = occurrence.reads > 0;
        }
        let mut pools = 0;
        let mut operations = Vec::with_capacity(intervals.len());
        let mut times = Vec::with_capacity(2 * intervals.len());
        for (position, interval) in intervals.iter().enumerate() {
            let facts = &mut values[interval.value as usize];
            let mut end = interval.end;
            if end.is_none() {
                if !facts.read {
                    continue;
                }
                if facts.single {
                    end = occurrences[interval.value as usize].first_read_end;
                } else if facts.pool.is_none() {
                    facts.pool = Some(pools);
                    pools += 1;
                }
            }
            let operation = operations.len();
            times.push((interval.start, Event::Call(operation)));
            times.extend(end.map(|end| (end, Event::Return(operation))));
            operations.push(Timed {
                position,
                write: interval.write,
                value: interval.value,
                returns: None,
            });
        }
        times.sort_by_key(|&(time, event)| (time, matches!(event, Event::Return(_))));
        let mut problem = Self {
            operations,
            events: times.into_iter().map(|(_, event)| event).collect(),
            values,
            pools,
            most_pending: 0,
        };
        problem.number_events();
        problem
    }

    fn number_events(&mut self) {
        for (number, event) in self.events.iter().enumerate() {
            match *event {
                Event::Call(operation) => {
                    let Timed { write, value, .. } = self.operations[operation];
                    if !write {
                        self.values[value as usize].last_read_call = Some(number as u32);
                    }
                }
                Event::Return(operation) => {
                    self.operations[operation].returns = Some(number as u32);
                }
            }
        }
        let mut pending = 0;
        for event in &self.events {
            match *event {
                Event::Call(operation) if self.operations[operation].returns.is_none() => {}
                Event::Call(_) => pending += 1,
                Event::Return(_) => pending -= 1,
            }
            self.most_pending = self.most_pending.max(pending);
        }
    }
}
