//! What clients ask, drawn from a seed.

use std::sync::Arc;

use bytes::Bytes;
use quorate_register::Key;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::keys::KeyChooser;
use crate::{InvalidWorkload, Workload};

/// One call to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Get this key.
    Get(Key),
    /// Set this key to this value.
    Set(Key, Bytes),
    /// Delete this key.
    Delete(Key),
}

/// A valid workload with a seed: makes the generator of each client.
#[derive(Debug, Clone)]
pub struct Generators {
    workload: Arc<Workload>,
    chooser: Arc<KeyChooser>,
    seed: u64,
}

impl Generators {
    /// Generators of `workload`; the same seed gives the same requests, on every machine.
    ///
    /// # Errors
    /// When a field of the workload is outside its limits.
    pub fn new(workload: &Workload, seed: u64) -> Result<Self, InvalidWorkload> {
        let chooser = workload.validate()?;
        Ok(Self {
            workload: Arc::new(workload.clone()),
            chooser: Arc::new(chooser),
            seed,
        })
    }

    /// The seed they draw from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The requests of one client, independent of those of every other.
    pub fn client(&self, client: u64) -> Generator {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(client);
        Generator {
            plan: self.clone(),
            client,
            sets: 0,
            rng,
        }
    }
}

/// The requests of one client, one after the other, without end.
#[derive(Debug, Clone)]
pub struct Generator {
    plan: Generators,
    client: u64,
    sets: u64,
    rng: ChaCha8Rng,
}

impl Generator {
    /// What the client asks next.
    pub fn request(&mut self) -> Request {
        let mix = self.plan.workload.mix;
        let (get, set) = (u64::from(mix.get), u64::from(mix.set));
        let kind = self.rng.random_range(0..get + set + u64::from(mix.delete));
        let key = self.key();
        if kind < get {
            Request::Get(key)
        } else if kind < get + set {
            Request::Set(key, self.value())
        } else {
            Request::Delete(key)
        }
    }

    /// The client whose requests these are.
    pub fn client(&self) -> u64 {
        self.client
    }

    fn key(&mut self) -> Key {
        let number = self.plan.chooser.choose(&mut self.rng);
        let key = format!("{}{number}", self.plan.workload.key_prefix);
        Key::new(key).expect("the longest key was checked")
    }

    fn value(&mut self) -> Bytes {
        self.sets += 1;
        let length = self
            .rng
            .random_range(self.plan.workload.value_bytes.clone());
        let mut value = format!("{}-{}", self.client, self.sets).into_bytes();
        if length > value.len() {
            // The first byte behind the number is no digit, so values stay unique.
            value.resize(length, b'.');
        }
        value.into()
    }
}

impl Iterator for Generator {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        Some(self.request())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Mix;

    fn requests(workload: &Workload, seed: u64, client: u64) -> Vec<Request> {
        let generators = Generators::new(workload, seed).unwrap();
        generators.client(client).take(2000).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_requests() {
        let workload = Workload::default();
        assert_eq!(requests(&workload, 1, 1), requests(&workload, 1, 1));
        assert_ne!(requests(&workload, 1, 1), requests(&workload, 2, 1));
        assert_ne!(requests(&workload, 1, 1), requests(&workload, 1, 2));
    }

    /// Seeds are pasted into issues: what they stand for must not change.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        let shown = |request: &Request| match request {
            Request::Get(key) => format!("get {:?}", key.bytes()),
            Request::Set(key, value) => format!("set {:?} {:?}", key.bytes(), value.slice(..4)),
            Request::Delete(key) => format!("delete {:?}", key.bytes()),
        };
        let requests = requests(&Workload::default(), 42, 3);
        let first: Vec<_> = requests[..6].iter().map(shown).collect();
        let expected = [
            r#"get b"key-3""#,
            r#"set b"key-3" b"3-1.""#,
            r#"delete b"key-1""#,
            r#"set b"key-0" b"3-2.""#,
            r#"get b"key-3""#,
            r#"get b"key-2""#,
        ];
        assert_eq!(first, expected);
    }

    #[test]
    fn every_value_of_a_run_is_unique_and_as_long_as_asked() {
        for value_bytes in [0..=0, 1..=4, 10..=40] {
            let workload = Workload {
                value_bytes: value_bytes.clone(),
                ..Workload::default()
            };
            let mut values = BTreeSet::new();
            for client in 0..20 {
                for request in requests(&workload, 7, client) {
                    if let Request::Set(_, value) = request {
                        assert!(value.len() <= (*value_bytes.end()).max(7), "{value:?}");
                        assert!(value.len() >= *value_bytes.start());
                        assert!(values.insert(value.clone()), "{value:?} twice");
                    }
                }
            }
            assert!(values.len() > 10_000);
        }
    }

    #[test]
    fn kinds_are_drawn_by_their_weights() {
        let mut workload = Workload::default();
        let share = |workload: &Workload, is: fn(&Request) -> bool| {
            requests(workload, 3, 1)
                .iter()
                .filter(|request| is(request))
                .count()
        };
        let deletes = |request: &Request| matches!(request, Request::Delete(_));
        assert!((140..260).contains(&share(&workload, deletes)));
        workload.mix = Mix {
            get: 0,
            set: 0,
            delete: 1,
        };
        assert_eq!(share(&workload, deletes), 2000);
        workload.mix = Mix {
            get: 1,
            set: 0,
            delete: 0,
        };
        assert_eq!(
            share(&workload, |request| matches!(request, Request::Get(_))),
            2000
        );
    }
}
