//! Whether what the clients saw is linearizable: a direct search over all orders.

use crate::pair::Pair;
use crate::scenario::Kind;
use crate::state::{Operation, Phase};

/// Whether there is an order of the operations that explains every answer and puts an operation
/// behind those that were done when it began. A Set that is not done may have had its effect or
/// not; a Get that is not done saw nothing.
pub(crate) fn linearizable(kinds: &[Kind], operations: &[Operation]) -> bool {
    let done = |o: &Operation| o.phase == Phase::Done;
    let must = mask(operations.iter().take(kinds.len()).map(done));
    search(kinds, operations, must, 0, 0)
}

/// The value that the Set with this index writes.
pub(crate) fn value_of_set(index: usize) -> u8 {
    index as u8 + 1
}

/// Whether an operation that is done now has a larger timestamp than all that were done before
/// it began, or for a Get one that is not smaller.
pub(crate) fn in_order(kind: Kind, pair: Pair, before: impl Iterator<Item = Pair>) -> bool {
    before.map(Pair::stamp).all(|earlier| match kind {
        Kind::Set => earlier < pair.stamp(),
        Kind::Get => earlier <= pair.stamp(),
    })
}

fn mask(bits: impl Iterator<Item = bool>) -> u8 {
    let bits = bits.enumerate();
    bits.fold(0, |mask, (index, bit)| mask | u8::from(bit) << index)
}

/// Whether the operations behind those `placed` can be ordered, when the register has `value`.
fn search(kinds: &[Kind], operations: &[Operation], must: u8, placed: u8, value: u8) -> bool {
    if must & !placed == 0 {
        return true;
    }
    kinds.iter().enumerate().any(|(index, &kind)| {
        let operation = &operations[index];
        let bit = 1 << index;
        let done = must & bit != 0;
        if placed & bit != 0 || operation.before & !placed != 0 {
            return false;
        }
        match kind {
            Kind::Set if done || operation.phase == Phase::Writing => {
                search(kinds, operations, must, placed | bit, value_of_set(index))
            }
            Kind::Get if done && operation.pair.value() == value => {
                search(kinds, operations, must, placed | bit, value)
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(phase: Phase, value: u8, before: u8) -> Operation {
        let pair = match value {
            0 => Pair::UNWRITTEN,
            _ => Pair::UNWRITTEN.successor(value, value),
        };
        Operation {
            phase,
            pair,
            before,
            ..Operation::WAITING
        }
    }

    #[test]
    fn a_get_after_a_set_must_see_it() {
        let kinds = [Kind::Set, Kind::Get];
        let set = operation(Phase::Done, 1, 0);
        let get = |value, before| operation(Phase::Done, value, before);
        assert!(linearizable(&kinds, &[set, get(1, 1)]));
        assert!(linearizable(&kinds, &[set, get(0, 0)]), "they overlap");
        assert!(!linearizable(&kinds, &[set, get(0, 1)]));
    }

    #[test]
    fn what_one_get_saw_the_next_must_see() {
        let kinds = [Kind::Set, Kind::Get, Kind::Get];
        let set = operation(Phase::Writing, 1, 0);
        let get = |value, before| operation(Phase::Done, value, before);
        assert!(linearizable(&kinds, &[set, get(0, 0), get(1, 2)]));
        assert!(!linearizable(&kinds, &[set, get(1, 0), get(0, 2)]));
    }

    #[test]
    fn an_overwritten_value_never_comes_back() {
        let kinds = [Kind::Set, Kind::Set, Kind::Get, Kind::Get];
        let done = |value, before| operation(Phase::Done, value, before);
        // v1 is seen, then v2 is written, then v1 is seen again.
        let history = [done(1, 0), done(2, 0b0100), done(1, 0), done(1, 0b0110)];
        assert!(!linearizable(&kinds, &history));
    }
}
