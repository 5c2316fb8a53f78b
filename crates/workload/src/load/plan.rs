//! What is asked.

use std::sync::Arc;

use bytes::Bytes;
use quorate_register::{Key, OperationError, Register};
use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::KeyDistribution;
use crate::keys::KeyChooser;

/// What all operations of a load ask: sets and gets of one list of keys.
#[derive(Debug)]
pub struct Plan {
    keys: Arc<[Key]>,
    chooser: KeyChooser,
    set_percent: u8,
    value: Bytes,
}

/// The two kinds of operations of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Set,
    Get,
}

impl Plan {
    /// Operations on `keys`, of which so many percent set `value`. `None` when there is no
    /// key, or the distribution does not fit the keys.
    pub fn new(
        keys: Arc<[Key]>,
        distribution: KeyDistribution,
        set_percent: u8,
        value: Bytes,
    ) -> Option<Self> {
        if keys.is_empty() {
            return None;
        }
        let chooser = KeyChooser::new(distribution, keys.len())?;
        Some(Self {
            keys,
            chooser,
            set_percent,
            value,
        })
    }

    /// Makes the next operation.
    pub(super) async fn perform(
        &self,
        register: &dyn Register,
        rng: &mut SmallRng,
    ) -> (Kind, Result<(), OperationError>) {
        let kind = self.kind(rng);
        let key = &self.keys[self.chooser.choose(rng)];
        let result = match kind {
            Kind::Set => {
                let value = self.value.clone();
                register.set(key, value, None).await.map(drop)
            }
            Kind::Get => register.get(key, None).await.map(drop),
        };
        (kind, result)
    }

    fn kind(&self, rng: &mut SmallRng) -> Kind {
        let sets = match self.set_percent {
            0 => false,
            100.. => true,
            percent => rng.random_range(0..100) < percent,
        };
        if sets { Kind::Set } else { Kind::Get }
    }
}

/// So many keys, that begin with `prefix`, which leaves room for a number.
pub fn keys(prefix: &str, count: usize) -> Arc<[Key]> {
    let key = |number| Key::new(format!("{prefix}{number}"));
    let keys = (0..count).map(|number| key(number).expect("the prefix leaves room for a number"));
    keys.collect()
}

/// A value that no compression makes smaller.
pub fn value(size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    SmallRng::seed_from_u64(0).fill_bytes(&mut bytes);
    bytes.into()
}
