//! Randomness of the operating system.

use quorate_register::Entropy;
use rand::Rng;

/// Draws from a generator per thread (ChaCha with 12 rounds), which the operating system
/// seeds at first use and again after every 64 KiB drawn. Cryptographically strong, and
/// without a system call per draw.
///
/// A copy of a *running* process (a restored snapshot of a virtual machine's memory) would
/// repeat what its original draws next. Do not restore one beside its original.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bits(&self) -> u128 {
        rand::rng().random()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DRAWS: usize = 10_000;

    #[test]
    fn no_draw_repeats_within_or_between_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..DRAWS).map(|_| SystemEntropy.bits()).collect()))
            .collect();
        let drawn: Vec<Vec<u128>> = threads
            .into_iter()
            .map(|thread| thread.join().expect("drawing does not panic"))
            .collect();
        let distinct: BTreeSet<u128> = drawn.into_iter().flatten().collect();
        assert_eq!(distinct.len(), 4 * DRAWS);
    }

    #[test]
    fn every_bit_is_drawn_both_ways() {
        let draws = || (0..DRAWS).map(|_| SystemEntropy.bits());
        assert_eq!(draws().fold(0, |seen, bits| seen | bits), u128::MAX);
        assert_eq!(draws().fold(u128::MAX, |seen, bits| seen & bits), 0);
    }
}
