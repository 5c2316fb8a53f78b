//! What the clients of a run ask for.

use std::ops::RangeInclusive;

use quorate_register::MAX_KEY_BYTES;

use crate::KeyDistribution;
use crate::keys::KeyChooser;

/// The most keys of a workload.
const MAX_KEYS: usize = 1_000_000;

/// The longest value a generator makes, in bytes.
const MAX_VALUE_BYTES: usize = 64 << 20;

/// How often each kind of operation is drawn, relative to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// Weight of gets.
    pub get: u32,
    /// Weight of sets.
    pub set: u32,
    /// Weight of deletes.
    pub delete: u32,
}

/// What the clients of a run ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// How many keys there are, 1 to 1,000,000.
    pub keys: usize,
    /// What every key begins with. A run against a store that is not empty needs one that
    /// no run had before: the checker takes every key to have no value at first.
    pub key_prefix: String,
    /// How operations spread over the keys.
    pub distribution: KeyDistribution,
    /// How operations spread over the kinds.
    pub mix: Mix,
    /// How long values are, in bytes. Each value begins with the client and a number, so
    /// that no two sets of a run write the same; a value is never shorter than that.
    pub value_bytes: RangeInclusive<usize>,
}

impl Default for Workload {
    /// Five keys, half gets, and small values.
    fn default() -> Self {
        Self {
            keys: 5,
            key_prefix: "key-".into(),
            distribution: KeyDistribution::Uniform,
            mix: Mix {
                get: 50,
                set: 40,
                delete: 10,
            },
            value_bytes: 16..=64,
        }
    }
}

/// Why a workload cannot be generated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidWorkload {
    /// No key, or too many.
    #[error("keys is {0}; a workload has 1 to {MAX_KEYS} keys")]
    Keys(usize),
    /// A key would be too long.
    #[error("key_prefix has {0} bytes; with a number behind it a key has at most {MAX_KEY_BYTES}")]
    KeyPrefix(usize),
    /// The distribution does not fit the keys.
    #[error("distribution {0:?} is outside its limits for {1} keys")]
    Distribution(KeyDistribution, usize),
    /// No operation could be drawn.
    #[error("mix is zero for every kind of operation")]
    Mix,
    /// Values of no length, or too long ones.
    #[error("value_bytes is {0:?}; values have at most {MAX_VALUE_BYTES} bytes")]
    ValueBytes(RangeInclusive<usize>),
}

impl Workload {
    /// Checks every field against its limits; draws keys from then on.
    pub(crate) fn validate(&self) -> Result<KeyChooser, InvalidWorkload> {
        if !(1..=MAX_KEYS).contains(&self.keys) {
            return Err(InvalidWorkload::Keys(self.keys));
        }
        let prefix = self.key_prefix.len();
        if prefix + (self.keys - 1).to_string().len() > MAX_KEY_BYTES {
            return Err(InvalidWorkload::KeyPrefix(prefix));
        }
        if [self.mix.get, self.mix.set, self.mix.delete] == [0; 3] {
            return Err(InvalidWorkload::Mix);
        }
        let lengths = &self.value_bytes;
        if lengths.is_empty() || *lengths.end() > MAX_VALUE_BYTES {
            return Err(InvalidWorkload::ValueBytes(lengths.clone()));
        }
        let chooser = KeyChooser::new(self.distribution, self.keys);
        chooser.ok_or(InvalidWorkload::Distribution(self.distribution, self.keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Generators;

    #[test]
    fn what_is_outside_its_limits_is_named() {
        let error = |change: fn(&mut Workload)| {
            let mut workload = Workload::default();
            change(&mut workload);
            Generators::new(&workload, 1).unwrap_err().to_string()
        };
        assert_eq!(
            error(|w| w.keys = 0),
            "keys is 0; a workload has 1 to 1000000 keys"
        );
        assert!(error(|w| w.key_prefix = "k".repeat(1024)).starts_with("key_prefix has 1024"));
        assert!(
            error(|w| w.mix = Mix {
                get: 0,
                set: 0,
                delete: 0
            })
            .starts_with("mix is zero")
        );
        assert!(error(|w| w.value_bytes = 0..=usize::MAX).starts_with("value_bytes is"));
        #[expect(
            clippy::reversed_empty_ranges,
            reason = "an empty range is the bad input"
        )]
        let empty = error(|w| w.value_bytes = 5..=4);
        assert!(empty.starts_with("value_bytes is 5..=4"));
        let zipf = |w: &mut Workload| w.distribution = KeyDistribution::Zipf { exponent: 11.0 };
        assert!(error(zipf).starts_with("distribution Zipf"));
    }
}
