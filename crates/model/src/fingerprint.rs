//! A 64-bit fingerprint of a state.

use std::hash::{Hash, Hasher};

/// Mixes eight bytes at a time by a folded multiplication. With ten million states the chance
/// that two share a fingerprint, and one is missed, is about three in a million.
struct Mixer {
    mixed: u64,
    waiting: u64,
    bytes: u32,
}

/// The fingerprint.
pub(crate) fn fingerprint(state: &impl Hash) -> u64 {
    let mut mixer = Mixer {
        mixed: 0x243f_6a88_85a3_08d3,
        waiting: 0,
        bytes: 0,
    };
    state.hash(&mut mixer);
    mixer.finish()
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

impl Mixer {
    fn mix(&mut self, word: u64) {
        self.mixed = fold(self.mixed ^ word, 0x9e37_79b9_7f4a_7c15).rotate_left(23)
            ^ word.wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u8(byte);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.waiting = self.waiting << 8 | u64::from(byte);
        self.bytes += 1;
        if self.bytes.is_multiple_of(8) {
            self.mix(self.waiting);
        }
    }

    fn write_u128(&mut self, word: u128) {
        self.mix(word as u64);
        self.mix((word >> 64) as u64);
    }

    /// Discriminants and lengths: small numbers.
    fn write_isize(&mut self, number: isize) {
        self.write_u8(number as u8);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u8(number as u8);
    }

    fn finish(&self) -> u64 {
        let mixed = fold(self.mixed ^ self.waiting, 0xa076_1d64_78bd_642f);
        fold(mixed ^ u64::from(self.bytes), 0xe703_7ed1_a0b4_28db)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn small_differences_make_other_fingerprints() {
        let mut seen = HashSet::new();
        for place in 0..70 {
            for byte in 1..=u8::MAX {
                let mut bytes = [0u8; 70];
                bytes[place] = byte;
                assert!(seen.insert(fingerprint(&bytes)), "byte {place} = {byte}");
            }
        }
    }
}
