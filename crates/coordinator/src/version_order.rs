//! Watches that the versions of a key grow from one operation to the next.
//!
//! Of two operations on a key, one after the other, the later one's version is not smaller, and
//! is larger if it writes (`docs/protocol.md`, "Invariants"). A coordinator sees that of the
//! operations it performs itself, for the price of two short locks per operation.

use std::hash::{BuildHasher, RandomState};

use parking_lot::Mutex;
use quorate_register::{Key, Timestamp};

/// The largest version that an ended operation returned, for as many keys as there are slots: keys
/// that share a slot displace each other.
pub(crate) struct VersionOrder {
    /// Keyed at random, so that nobody can name two keys that would be taken for one.
    hasher: RandomState,
    slots: Box<[Mutex<Slot>]>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// The hash of the key.
    key: u64,
    version: Timestamp,
}

/// What an operation may not fall behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    key: u64,
    version: Timestamp,
}

/// About 64 bytes each.
const SLOTS: usize = 4096;

impl VersionOrder {
    pub(crate) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| Mutex::default());
        Self {
            hasher: RandomState::new(),
            slots: slots.collect(),
        }
    }

    fn slot(&self, key: u64) -> &Mutex<Slot> {
        &self.slots[key as usize % SLOTS]
    }

    /// Before the first request of an operation on the key.
    pub(crate) fn begin(&self, key: &Key) -> Floor {
        let key = self.hasher.hash_one(key);
        let slot = *self.slot(key).lock();
        let known = slot.key == key;
        Floor {
            key,
            version: if known { slot.version } else { Timestamp::ZERO },
        }
    }

    /// After the last answer; whether the version that it returns is where it must be. If not, later
    /// operations are compared with that version, so that one loss is not counted for ever.
    pub(crate) fn end(&self, floor: Floor, version: Timestamp, writes: bool) -> bool {
        let in_order = match writes {
            true => version > floor.version,
            false => version >= floor.version,
        };
        let mut slot = self.slot(floor.key).lock();
        if !in_order || slot.key != floor.key || slot.version < version {
            *slot = Slot {
                key: floor.key,
                version,
            };
        }
        in_order
    }
}

#[cfg(test)]
mod tests {
    use quorate_register::OpId;

    use super::*;

    fn version(counter: u64) -> Timestamp {
        Timestamp {
            counter,
            op_id: OpId::from_bytes([1; 16]),
            ..Timestamp::ZERO
        }
    }

    #[test]
    fn later_operations_return_later_versions() {
        let order = VersionOrder::new();
        let key = Key::new("k").unwrap();
        let first = order.begin(&key);
        assert!(order.end(first, version(2), true));
        let (read, written) = (order.begin(&key), order.begin(&key));
        assert!(order.end(read, version(2), false));
        assert!(order.end(written, version(3), true));
        // What began together may end in any order.
        assert!(order.end(read, version(2), false));
        assert!(!order.end(order.begin(&key), version(2), false));
    }

    #[test]
    fn a_write_must_be_larger_and_a_loss_is_counted_once() {
        let order = VersionOrder::new();
        let key = Key::new("k").unwrap();
        assert!(order.end(order.begin(&key), version(9), true));
        assert!(!order.end(order.begin(&key), version(9), true));
        assert!(!order.end(order.begin(&key), version(1), false));
        assert!(order.end(order.begin(&key), version(1), false));
    }

    #[test]
    fn keys_of_one_slot_displace_each_other_and_raise_no_alarm() {
        let order = VersionOrder::new();
        let keys: Vec<_> = (0..SLOTS + 1)
            .map(|n| Key::new(n.to_string()).unwrap())
            .collect();
        for counter in [5, 1] {
            for key in &keys {
                let floor = order.begin(key);
                let is_known = floor.version != Timestamp::ZERO;
                let kept = order.end(floor, version(counter), true);
                assert_eq!(kept, counter == 5 || !is_known);
            }
        }
    }
}
