//! A second judge, for histories that carry versions: the order of operations in time must
//! be the order of their versions.

use std::collections::BTreeMap;
use std::fmt;

use quorate_register::{Key, Version};

use crate::{Action, History, Operation, Outcome};

/// Two operations on one key whose versions contradict their order in time, or one version
/// that stands for two things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionsOutOfOrder {
    /// The one that began first.
    pub earlier: Operation,
    /// The other.
    pub later: Operation,
}

impl fmt::Display for VersionsOutOfOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { earlier, later } = self;
        let version = |operation: &Operation| operation.version.unwrap_or_default();
        write!(
            f,
            "client {}'s {} ended at {} ns with version {}, and client {}'s {} began at {} ns and has version {}",
            earlier.client,
            earlier.action.name(),
            earlier.end_ns,
            version(earlier),
            later.client,
            later.action.name(),
            later.start_ns,
            version(later),
        )
    }
}

/// Checks that of two successful operations on one key, one of which ended before the other
/// began, the later has the larger version, strictly if it wrote; and that one version
/// stands for one value and one write.
///
/// This is what makes the algorithm linearizable (Lynch, Distributed Algorithms, lemma
/// 13.16), so it is stricter than [`check`](crate::check): it also notices a disorder that
/// no get happened to see. Operations without a version are left out.
///
/// # Errors
/// With the first two operations that break it.
pub fn check_versions(history: &History) -> Result<(), Box<VersionsOutOfOrder>> {
    let mut keys: BTreeMap<&Key, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        if operation.outcome == Outcome::Ok && operation.version.is_some() {
            keys.entry(&operation.key).or_default().push(operation);
        }
    }
    for operations in keys.values_mut() {
        operations.sort_by_key(|operation| operation.start_ns);
        check_meaning(operations)?;
        check_order(operations)?;
    }
    Ok(())
}

fn broken(earlier: &Operation, later: &Operation) -> Box<VersionsOutOfOrder> {
    Box::new(VersionsOutOfOrder {
        earlier: earlier.clone(),
        later: later.clone(),
    })
}

/// One version, one value, written once.
fn check_meaning(by_start: &[&Operation]) -> Result<(), Box<VersionsOutOfOrder>> {
    let mut meanings: BTreeMap<Option<Version>, &Operation> = BTreeMap::new();
    for &operation in by_start {
        let Some(known) = meanings.get_mut(&operation.version) else {
            meanings.insert(operation.version, operation);
            continue;
        };
        let both_write = known.action.writes() && operation.action.writes();
        if both_write || known.action.value() != operation.action.value() {
            return Err(broken(known, operation));
        }
        if operation.action.writes() {
            // Two writes are noticed however many gets lie between them.
            *known = operation;
        }
    }
    Ok(())
}

/// Sweeps through time with the largest version among the operations that have ended.
fn check_order(by_start: &[&Operation]) -> Result<(), Box<VersionsOutOfOrder>> {
    let mut by_end = by_start.to_vec();
    by_end.sort_by_key(|operation| operation.end_ns);
    let mut ended = by_end.into_iter().peekable();
    let mut largest: Option<&Operation> = None;
    for &operation in by_start {
        while let Some(other) = ended.next_if(|other| other.end_ns < operation.start_ns) {
            if largest.is_none_or(|known| known.version < other.version) {
                largest = Some(other);
            }
        }
        if let Some(before) = largest {
            let strictly = !matches!(operation.action, Action::Get(_));
            let in_order = if strictly {
                before.version < operation.version
            } else {
                before.version <= operation.version
            };
            if !in_order {
                return Err(broken(before, operation));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use quorate_register::{OpId, Timestamp};

    use super::*;

    fn operation(action: Action, start_ns: u64, end_ns: u64, counter: u64) -> Operation {
        Operation {
            client: 1,
            key: Key::new("k").unwrap(),
            action,
            start_ns,
            end_ns,
            outcome: Outcome::Ok,
            version: Some(Version(Timestamp {
                counter,
                op_id: OpId::from_bytes([1; 16]),
                ..Timestamp::ZERO
            })),
        }
    }

    fn set(value: &'static str, start: u64, end: u64, counter: u64) -> Operation {
        operation(Action::Set(value.into()), start, end, counter)
    }

    fn get(value: &'static str, start: u64, end: u64, counter: u64) -> Operation {
        operation(Action::Get(Some(value.into())), start, end, counter)
    }

    fn check<const N: usize>(operations: [Operation; N]) -> Option<(u64, u64)> {
        let broken = check_versions(&operations.into_iter().collect()).err()?;
        Some((broken.earlier.start_ns, broken.later.start_ns))
    }

    #[test]
    fn the_later_operation_has_the_larger_version() {
        assert_eq!(check([]), None);
        assert_eq!(
            check([set("a", 0, 1, 1), get("a", 2, 3, 1), set("b", 4, 5, 2)]),
            None
        );
        // Concurrent ones may have any order.
        assert_eq!(check([set("a", 0, 9, 2), set("b", 5, 8, 1)]), None);
        assert_eq!(check([set("a", 0, 1, 2), set("b", 2, 3, 1)]), Some((0, 2)));
        let inversion = [set("a", 0, 9, 2), get("a", 1, 2, 2), get("o", 3, 4, 1)];
        assert_eq!(check(inversion), Some((1, 3)));
        // A smaller version between hides nothing.
        let hidden = [set("a", 0, 1, 5), set("b", 0, 3, 4), set("c", 4, 5, 5)];
        assert_eq!(check(hidden), Some((0, 4)));
    }

    #[test]
    fn one_version_is_one_write_of_one_value() {
        assert_eq!(check([set("a", 0, 9, 1), set("a", 0, 9, 1)]), Some((0, 0)));
        assert_eq!(check([set("a", 0, 9, 1), get("b", 1, 8, 1)]), Some((0, 1)));
        let writes_around_a_get = [get("a", 0, 9, 1), set("a", 1, 9, 1), set("a", 2, 9, 1)];
        assert_eq!(check(writes_around_a_get), Some((1, 2)));
    }

    #[test]
    fn other_keys_and_unsuccessful_operations_do_not_count() {
        let mut other = set("b", 2, 3, 1);
        other.key = Key::new("other").unwrap();
        let mut failed = set("c", 4, 5, 1);
        failed.outcome = Outcome::Fail;
        assert_eq!(check([set("a", 0, 1, 2), other, failed]), None);
    }
}
