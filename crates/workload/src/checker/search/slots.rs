//! Sets of pending operations.

/// A set of slots, of which there are 64 per word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slots<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Slots<WORDS> {
    pub(super) const EMPTY: Self = Self([0; WORDS]);

    pub(super) fn insert(&mut self, slot: usize) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    pub(super) fn remove(&mut self, slot: usize) {
        self.0[slot / 64] &= !(1 << (slot % 64));
    }

    pub(super) fn contains(&self, slot: usize) -> bool {
        self.0[slot / 64] & (1 << (slot % 64)) != 0
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    pub(super) fn difference(&self, other: &Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & !other.0[word]))
    }

    pub(super) fn is_subset(&self, other: &Self) -> bool {
        (0..WORDS).all(|word| self.0[word] & !other.0[word] == 0)
    }

    /// The slots in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + use<WORDS> {
        let words = self.0.into_iter().enumerate();
        words.flat_map(|(word, mut bits)| {
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                // Clears the lowest bit; there is none when the word is used up.
                bits = bits.checked_sub(1)? & bits;
                Some(64 * word + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn slots(set: &BTreeSet<usize>) -> Slots<3> {
        let mut slots = Slots::EMPTY;
        set.iter().for_each(|&slot| slots.insert(slot));
        slots
    }

    fn any_set() -> impl Strategy<Value = BTreeSet<usize>> {
        prop::collection::btree_set(0..192usize, 0..40)
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(a in any_set(), b in any_set(), slot in 0..192usize) {
            let (mut x, y) = (slots(&a), slots(&b));
            prop_assert!(x.iter().eq(a.iter().copied()));
            prop_assert!(x.union(&y).iter().eq(a.union(&b).copied()));
            prop_assert!(x.intersection(&y).iter().eq(a.intersection(&b).copied()));
            prop_assert!(x.difference(&y).iter().eq(a.difference(&b).copied()));
            prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
            prop_assert_eq!(x.contains(slot), a.contains(&slot));
            x.remove(slot);
            prop_assert!(!x.contains(slot));
        }
    }
}
