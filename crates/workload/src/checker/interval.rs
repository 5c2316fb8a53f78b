//! The operations on one key as intervals with numbered values.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{Action, Operation, Outcome};

/// A value by number; equal numbers are equal values.
pub(super) type Value = u32;

/// What a key without a value holds: at first, and after a delete.
pub(super) const ABSENT: Value = 0;

/// An operation that took effect, or perhaps did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    /// Its index in the list of the key's operations.
    pub(super) index: usize,
    pub(super) start: u64,
    /// `None`: it may take effect at any time after `start`, or never. Reads always have one.
    pub(super) end: Option<u64>,
    /// Whether it writes `value` or read it.
    pub(super) write: bool,
    pub(super) value: Value,
}

impl Interval {
    /// Whether it ended before `other` began, so that every order has it before `other`.
    pub(super) fn precedes(&self, other: &Self) -> bool {
        self.end.is_some_and(|end| end < other.start)
    }
}

/// The intervals of one key's operations: without failed ones, which have no effect, and
/// without unknown gets, which say nothing.
pub(super) fn intervals(operations: &[&Operation]) -> Vec<Interval> {
    let mut numbers: BTreeMap<&Bytes, Value> = BTreeMap::new();
    let mut intervals = Vec::with_capacity(operations.len());
    for (index, operation) in operations.iter().enumerate() {
        let write = operation.action.writes();
        let counts = match operation.outcome {
            Outcome::Ok => true,
            Outcome::Fail => false,
            Outcome::Unknown => write,
        };
        if !counts {
            continue;
        }
        let value = match &operation.action {
            Action::Get(Some(value)) | Action::Set(value) => {
                let next = numbers.len() as Value + 1;
                *numbers.entry(value).or_insert(next)
            }
            Action::Get(None) | Action::Delete => ABSENT,
        };
        intervals.push(Interval {
            index,
            start: operation.start_ns,
            end: (operation.outcome == Outcome::Ok).then_some(operation.end_ns),
            write,
            value,
        });
    }
    intervals
}

/// How a value occurs in a list of intervals.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Occurrence {
    pub(super) reads: u32,
    /// Unknown ones included; the absence at first does not count.
    pub(super) writes: u32,
    /// When the first read of it returned.
    pub(super) first_read_end: Option<u64>,
}

impl Occurrence {
    /// Whether the value is written once only, where the absence at first is a write of
    /// [`ABSENT`] too: then all reads of it lie behind that one write, and nothing between.
    pub(super) fn is_single(&self, value: Value) -> bool {
        self.writes == u32::from(value != ABSENT)
    }
}

/// How each value occurs, by its number.
pub(super) fn occurrences(intervals: &[Interval]) -> Vec<Occurrence> {
    let values = intervals.iter().map(|interval| interval.value as usize + 1);
    let mut all = vec![Occurrence::default(); values.max().unwrap_or(1)];
    for interval in intervals {
        let occurrence = &mut all[interval.value as usize];
        if interval.write {
            occurrence.writes += 1;
        } else {
            occurrence.reads += 1;
            let ends = [occurrence.first_read_end, interval.end];
            occurrence.first_read_end = ends.into_iter().flatten().min();
        }
    }
    all
}
