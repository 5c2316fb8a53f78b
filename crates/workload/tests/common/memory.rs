//! A register in memory that takes random virtual time, with bugs planted on request.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_register::{Entry, Key, OpId, OperationError, Reason, Register, Timestamp, Version};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What is wrong with the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    Nothing,
    /// Gets are answered from a cache that is filled by gets and kept for a while.
    StaleCache,
    /// Some sets are acknowledged and forgotten.
    LostUpdate,
    /// Some sets are said to have failed, yet stay.
    FailedWriteStays,
    /// Some sets are seen for a while, then taken back and said to have failed.
    DirtyRead,
    /// Some sets are taken back after their outcome was reported as unknown.
    UnknownTakenBack,
    /// Some deletes are undone after a while.
    DeleteUndone,
    /// Writes reach two copies one after the other, and gets ask either.
    TwoCopies,
    /// Writes are acknowledged before they are stored.
    AckBeforeStore,
    /// Some gets answer for another key.
    WrongKey,
}

impl Bug {
    pub const ALL: &[Self] = &[
        Self::StaleCache,
        Self::LostUpdate,
        Self::FailedWriteStays,
        Self::DirtyRead,
        Self::UnknownTakenBack,
        Self::DeleteUndone,
        Self::TwoCopies,
        Self::AckBeforeStore,
        Self::WrongKey,
    ];
}

type Copy = BTreeMap<Key, Entry>;

#[derive(Debug)]
struct State {
    copies: [Copy; 2],
    cache: BTreeMap<Key, (tokio::time::Instant, Entry)>,
    writes: u64,
    rng: ChaCha8Rng,
}

#[derive(Debug)]
pub struct Memory {
    bug: Bug,
    state: Mutex<State>,
}

const NEVER: Entry = Entry {
    value: None,
    version: Version::NEVER,
};

impl Memory {
    pub fn new(bug: Bug, seed: u64) -> Self {
        Self {
            bug,
            state: Mutex::new(State {
                copies: Default::default(),
                cache: BTreeMap::new(),
                writes: 0,
                rng: ChaCha8Rng::seed_from_u64(seed),
            }),
        }
    }

    async fn pass_time(&self) {
        let wait = self.state.lock().unwrap().rng.random_range(0..10);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    /// True in one of `calls` calls.
    fn sometimes(&self, calls: u32) -> bool {
        self.state.lock().unwrap().rng.random_ratio(1, calls)
    }

    fn read(&self, key: &Key, copy: usize) -> Entry {
        let state = self.state.lock().unwrap();
        state.copies[copy].get(key).cloned().unwrap_or(NEVER)
    }

    fn store(&self, key: &Key, entry: Entry, copies: &[usize]) {
        let mut state = self.state.lock().unwrap();
        for &copy in copies {
            state.copies[copy].insert(key.clone(), entry.clone());
        }
    }

    fn next_version(&self) -> Version {
        let mut state = self.state.lock().unwrap();
        state.writes += 1;
        Version(Timestamp {
            counter: state.writes,
            op_id: OpId::from_bytes([1; 16]),
            ..Timestamp::ZERO
        })
    }

    async fn write(&self, key: &Key, value: Option<Bytes>) -> Result<Version, OperationError> {
        let refused = || OperationError::not_applied(Reason::Overloaded, "refused");
        let unknown = || OperationError::unknown(Reason::NoQuorum, "unknown");
        self.pass_time().await;
        if self.sometimes(30) {
            return Err(refused());
        }
        if self.sometimes(30) {
            return Err(unknown());
        }
        let before = self.read(key, 0);
        let entry = Entry {
            version: self.next_version(),
            value,
        };
        let version = entry.version;
        let is_set = entry.value.is_some();
        match self.bug {
            Bug::LostUpdate if is_set && self.sometimes(10) => {}
            Bug::FailedWriteStays if is_set && self.sometimes(10) => {
                self.store(key, entry, &[0]);
                return Err(refused());
            }
            Bug::DirtyRead | Bug::UnknownTakenBack if is_set && self.sometimes(10) => {
                self.store(key, entry, &[0]);
                tokio::time::sleep(Duration::from_millis(10)).await;
                self.store(key, before, &[0]);
                let dirty = self.bug == Bug::DirtyRead;
                return Err(if dirty { refused() } else { unknown() });
            }
            Bug::DeleteUndone if !is_set && self.sometimes(2) => {
                self.store(key, entry, &[0]);
                tokio::time::sleep(Duration::from_millis(10)).await;
                self.store(key, before, &[0]);
            }
            Bug::TwoCopies => {
                self.store(key, entry.clone(), &[0]);
                tokio::time::sleep(Duration::from_millis(10)).await;
                self.store(key, entry, &[1]);
            }
            _ => self.store(key, entry, &[0]),
        }
        self.pass_time().await;
        if self.sometimes(30) {
            return Err(unknown());
        }
        Ok(version)
    }
}

#[async_trait]
impl Register for Memory {
    async fn get(&self, key: &Key, _: Option<Duration>) -> Result<Entry, OperationError> {
        self.pass_time().await;
        let copy = usize::from(self.bug == Bug::TwoCopies && self.sometimes(2));
        let mut entry = self.read(key, copy);
        if self.bug == Bug::StaleCache {
            let now = tokio::time::Instant::now();
            let mut state = self.state.lock().unwrap();
            let old = |filled: &tokio::time::Instant| now - *filled > Duration::from_millis(40);
            match state.cache.get(key) {
                Some((filled, cached)) if !old(filled) => entry = cached.clone(),
                _ => {
                    state.cache.insert(key.clone(), (now, entry.clone()));
                }
            }
        }
        if self.bug == Bug::WrongKey && self.sometimes(20) {
            let state = self.state.lock().unwrap();
            entry = state.copies[0].values().next().cloned().unwrap_or(NEVER);
        }
        self.pass_time().await;
        if self.sometimes(30) {
            return Err(OperationError::not_applied(Reason::NoQuorum, "no quorum"));
        }
        Ok(entry)
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        _: Option<Duration>,
    ) -> Result<Version, OperationError> {
        if self.bug == Bug::AckBeforeStore && self.sometimes(3) {
            // The acknowledgement overtakes the store.
            let entry = Entry {
                version: self.next_version(),
                value: Some(value),
            };
            let version = entry.version;
            let mut state = self.state.lock().unwrap();
            let delayed = state.copies[1].insert(key.clone(), entry);
            if let Some(delayed) = delayed {
                state.copies[0].insert(key.clone(), delayed);
            }
            return Ok(version);
        }
        self.write(key, Some(value)).await
    }

    async fn delete(&self, key: &Key, _: Option<Duration>) -> Result<Version, OperationError> {
        self.write(key, None).await
    }
}
