//! What the tests of the checker share: a slow and simple judge, and histories to judge.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod memory;

use std::collections::BTreeSet;

use bytes::Bytes;
use quorate_register::Key;
use quorate_workload::{Action, History, Operation, Outcome};
use rand::Rng;
use rand::seq::SliceRandom;

/// Whether some permutation of some of the operations on one key respects their times and
/// explains what they returned: tries them all.
pub fn brute_force(history: &History) -> bool {
    let relevant = |operation: &&Operation| match operation.outcome {
        Outcome::Ok => true,
        Outcome::Fail => false,
        Outcome::Unknown => operation.action.writes(),
    };
    let mut remaining: Vec<&Operation> = history.operations.iter().filter(relevant).collect();
    assert!(
        remaining
            .iter()
            .all(|operation| operation.key == remaining[0].key)
    );
    permute(&mut remaining, None)
}

fn permute(remaining: &mut Vec<&Operation>, value: Option<&Bytes>) -> bool {
    let is_ok = |operation: &Operation| operation.outcome == Outcome::Ok;
    if !remaining.iter().any(|operation| is_ok(operation)) {
        return true;
    }
    for index in 0..remaining.len() {
        let next = remaining[index];
        let too_early = |other: &&Operation| is_ok(other) && other.end_ns < next.start_ns;
        if remaining.iter().any(too_early) {
            continue;
        }
        let after = match &next.action {
            Action::Get(returned) if returned.as_ref() != value => continue,
            Action::Get(_) => value,
            Action::Set(written) => Some(written),
            Action::Delete => None,
        };
        remaining.swap_remove(index);
        let possible = permute(remaining, after);
        remaining.push(next);
        let last = remaining.len() - 1;
        remaining.swap(index, last);
        if possible {
            return true;
        }
    }
    false
}

/// The same by Wing and Gong's search, with a memory of where it has been: fit for some
/// twenty operations.
pub fn search_all(history: &History) -> bool {
    let relevant = |operation: &&Operation| {
        operation.outcome == Outcome::Ok
            || operation.outcome == Outcome::Unknown && operation.action.writes()
    };
    let operations: Vec<&Operation> = history.operations.iter().filter(relevant).collect();
    assert!(operations.len() <= 32);
    let bits = |select: &dyn Fn(&Operation) -> bool| {
        let selected = operations
            .iter()
            .enumerate()
            .filter(|(_, operation)| select(operation));
        selected.fold(0_u32, |bits, (index, _)| bits | 1 << index)
    };
    let must = bits(&|operation| operation.outcome == Outcome::Ok);
    let before = |next: &Operation| bits(&|other| other.end_ns < next.start_ns) & must;
    let before: Vec<u32> = operations.iter().map(|next| before(next)).collect();
    let mut seen = BTreeSet::new();
    let mut stack: Vec<(u32, Option<&Bytes>)> = vec![(0, None)];
    while let Some((done, value)) = stack.pop() {
        if done & must == must {
            return true;
        }
        if !seen.insert((done, value)) {
            continue;
        }
        for (index, next) in operations.iter().enumerate() {
            if done & 1 << index != 0 || before[index] & !done != 0 {
                continue;
            }
            let after = match &next.action {
                Action::Get(returned) if returned.as_ref() != value => continue,
                Action::Get(_) => value,
                Action::Set(written) => Some(written),
                Action::Delete => None,
            };
            stack.push((done | 1 << index, after));
        }
    }
    false
}

pub fn key() -> Key {
    Key::new("k").unwrap()
}

/// How random histories of one key look.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub operations: usize,
    pub clients: u64,
    /// Values are drawn from so many; `None`: every set writes another one.
    pub values: Option<u32>,
    /// Of 100 operations, how many are deletes, and how many gets; the rest are sets.
    pub deletes: u32,
    pub gets: u32,
    /// Of 100 operations, how many have an unknown outcome, and how many fail.
    pub unknown: u32,
    pub failed: u32,
    /// Of 100 gets, how many return something else than they should.
    pub lies: u32,
}

/// A history of clients that each make one call after the other to a register that is
/// correct, but for the lies.
pub fn random_history(shape: Shape, rng: &mut impl Rng) -> History {
    let mut clock = 0;
    let mut free_at = vec![0; shape.clients as usize];
    let mut calls = Vec::new();
    for number in 0..shape.operations {
        let client = rng.random_range(0..shape.clients);
        let start: u64 = free_at[client as usize] + rng.random_range(0..4);
        let length = rng.random_range(0..6);
        free_at[client as usize] = start + length + rng.random_range(0..5);
        clock = clock.max(start + length);
        let outcome = match rng.random_range(0..100) {
            n if n < shape.unknown => Outcome::Unknown,
            n if n < shape.unknown + shape.failed => Outcome::Fail,
            _ => Outcome::Ok,
        };
        let kind = rng.random_range(0..100);
        let action = if kind < shape.gets {
            Action::Get(None)
        } else if kind < shape.gets + shape.deletes {
            Action::Delete
        } else {
            let value = shape
                .values
                .map_or(number as u32, |values| rng.random_range(0..values));
            Action::Set(format!("v{value}").into())
        };
        // When it takes effect; an unknown one perhaps much later, or never.
        let instant = match outcome {
            Outcome::Ok => Some(start + rng.random_range(0..=length)),
            Outcome::Fail => None,
            Outcome::Unknown => rng
                .random_bool(0.6)
                .then(|| start + rng.random_range(0..40)),
        };
        let operation = Operation {
            client,
            key: key(),
            action,
            start_ns: start,
            end_ns: start + length,
            outcome,
            version: None,
        };
        calls.push((instant, operation));
    }
    // Instants that are equal are taken in any order.
    calls.shuffle(rng);
    calls.sort_by_key(|&(instant, _)| instant);
    let mut value = None;
    let mut written = vec![None];
    for (_, operation) in calls.iter_mut().filter(|(instant, _)| instant.is_some()) {
        match &mut operation.action {
            Action::Get(returned) if operation.outcome == Outcome::Ok => {
                returned.clone_from(&value)
            }
            Action::Get(_) => {}
            Action::Set(new) => value = Some(new.clone()),
            Action::Delete => value = None,
        }
        written.push(value.clone());
    }
    for (_, operation) in &mut calls {
        if let (Action::Get(returned), Outcome::Ok) = (&mut operation.action, operation.outcome)
            && rng.random_range(0..100) < shape.lies
        {
            returned.clone_from(&written[rng.random_range(0..written.len())]);
        }
    }
    calls.shuffle(rng);
    calls.into_iter().map(|(_, operation)| operation).collect()
}
