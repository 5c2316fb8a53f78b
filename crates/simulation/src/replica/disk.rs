//! A disk, and what a judge remembers of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{Entropy, Epoch, Key, Pair, ReplicaId, Timestamp};
use quorate_replica::Store;
use quorate_replica::memory::{DiskCopy, MemoryDisk, MemoryStore};

use crate::trace::{Short, shown_key};

/// The disk of one machine. It outlives the processes, and nothing on it may go back.
pub(crate) struct Disk {
    memory: Arc<MemoryDisk>,
    first_id: ReplicaId,
    state: Mutex<State>,
}

struct State {
    replica_id: ReplicaId,
    /// The largest timestamp seen per key, since the disk was last wiped.
    seen: BTreeMap<Key, Timestamp>,
    /// The config seen, since the disk was last wiped.
    seen_config: Option<SeenConfig>,
    /// What a wipe took away, or the return of an old copy.
    wiped: Option<BTreeMap<Key, Timestamp>>,
    copy: Option<Copy>,
    went_back: Vec<String>,
}

/// A copy of everything on a disk.
struct Copy {
    replica_id: ReplicaId,
    boot: u64,
    content: DiskCopy,
}

/// A config on a disk: its epoch, and whether it is recorded as active.
type SeenConfig = (Epoch, bool);

impl Disk {
    /// An empty disk with a random id.
    pub(crate) fn new(entropy: &dyn Entropy) -> Self {
        let first_id = ReplicaId::random(entropy);
        Self {
            memory: Arc::default(),
            first_id,
            state: Mutex::new(State {
                replica_id: first_id,
                seen: BTreeMap::new(),
                seen_config: None,
                wiped: None,
                copy: None,
                went_back: Vec::new(),
            }),
        }
    }

    /// The disk as a store uses it.
    pub(crate) fn memory(&self) -> &Arc<MemoryDisk> {
        &self.memory
    }

    /// The id on it.
    pub(crate) fn replica_id(&self) -> ReplicaId {
        self.state.lock().replica_id
    }

    /// Empties it. What was on it is remembered for judgement.
    ///
    /// A wiped disk gets a new id, so its replica comes back as a stranger. The planted bug
    /// lets it keep its id and its config, and so its place in every quorum.
    pub(crate) fn wipe(&self, entropy: &dyn Entropy) {
        self.observe();
        let keeps_id = active(Mutation::WipeKeepsId);
        self.memory.wipe(!keeps_id);
        let mut state = self.state.lock();
        if !keeps_id {
            state.replica_id = ReplicaId::random(entropy);
        }
        state.wiped = Some(std::mem::take(&mut state.seen));
        state.seen_config = self.config();
    }

    /// Keeps a copy of what is on it now.
    pub(crate) fn back_up(&self) {
        let mut state = self.state.lock();
        state.copy = Some(Copy {
            replica_id: state.replica_id,
            boot: self.boot(),
            content: self.memory.copy(),
        });
    }

    /// Puts the copy in the place of everything on it; `false` when there is none of this disk, or
    /// of this very boot, which cannot be noticed (PROTOCOL 5). What was on it is remembered for
    /// judgement.
    pub(crate) fn restore(&self) -> bool {
        self.observe();
        let mut state = self.state.lock();
        let (own, boot) = (state.replica_id, self.boot());
        let older = |copy: &Copy| copy.replica_id == own && copy.boot < boot;
        let Some(copy) = state.copy.take().filter(older) else {
            return false;
        };
        self.memory.restore(copy.content);
        state.wiped = Some(std::mem::take(&mut state.seen));
        state.seen_config = self.config();
        true
    }

    /// The number of the boot that is on it. One that waits to be admitted goes on, also when its
    /// process is started again.
    fn boot(&self) -> u64 {
        let boots = MemoryStore::open(self.memory.clone()).boots();
        let boot = boots.intent.or(boots.admitted);
        boot.map_or(0, |boot| boot.number)
    }

    /// Looks for what went back.
    pub(crate) fn observe(&self) {
        let mut state = self.state.lock();
        for (key, pair) in self.memory.pairs() {
            let seen = state.seen.entry(key.clone()).or_default();
            if pair.timestamp < *seen {
                let (key, from, to) = (shown_key(&key), Short(*seen), Short(pair.timestamp));
                state.went_back.push(format!("{key} from {from} to {to}"));
            } else {
                *seen = pair.timestamp;
            }
        }
        let config = self.config();
        if config < state.seen_config {
            let text = format!("the config from {:?} to {config:?}", state.seen_config);
            state.went_back.push(text);
        }
        state.seen_config = config;
    }

    /// What went back, if anything did.
    pub(crate) fn went_back(&self) -> Vec<String> {
        self.state.lock().went_back.clone()
    }

    /// Everything on it.
    pub(crate) fn pairs(&self) -> Vec<(Key, Pair)> {
        self.memory.pairs()
    }

    /// Whether it has this or a later write of the key.
    pub(crate) fn has(&self, key: &Key, timestamp: Timestamp) -> bool {
        let has = |(stored, pair): &(Key, Pair)| stored == key && pair.timestamp >= timestamp;
        self.memory.pairs().iter().any(has)
    }

    /// Whether it has that, or had it before it was wiped.
    pub(crate) fn has_or_had(&self, key: &Key, timestamp: Timestamp) -> bool {
        let state = self.state.lock();
        let before = state.wiped.as_ref().and_then(|wiped| wiped.get(key));
        before.is_some_and(|before| *before >= timestamp) || self.has(key, timestamp)
    }

    /// Whether it was wiped at some time.
    pub(crate) fn was_wiped(&self) -> bool {
        self.state.lock().wiped.is_some()
    }

    /// Whether it has another id than at first.
    pub(crate) fn is_stranger(&self) -> bool {
        self.replica_id() != self.first_id
    }

    /// The config on it.
    pub(crate) fn config(&self) -> Option<SeenConfig> {
        let held = MemoryStore::open(self.memory.clone()).config()?;
        Some((held.config.epoch(), held.active))
    }
}

#[cfg(test)]
mod tests {
    use quorate_register::OpId;

    use super::*;
    use crate::random::Random;

    fn pair(key: &Key, counter: u64) -> (Key, Pair) {
        let timestamp = Timestamp {
            counter,
            op_id: OpId::from_bytes([1; 16]),
            ..Timestamp::ZERO
        };
        (key.clone(), Pair::new(key, timestamp, None))
    }

    #[tokio::test]
    async fn what_goes_back_is_noticed_and_what_a_wipe_takes_is_remembered() {
        let random = Random::new(1, "test");
        let disk = Disk::new(&random);
        let store = MemoryStore::open(disk.memory().clone());
        let key = Key::new("k").unwrap();
        store.commit(&[pair(&key, 2)]).await.unwrap();
        disk.observe();
        let two = pair(&key, 2).1.timestamp;
        assert!(disk.has(&key, two) && disk.went_back().is_empty());

        disk.wipe(&random);
        assert!(disk.is_stranger() && disk.was_wiped());
        assert!(!disk.has(&key, two) && disk.has_or_had(&key, two));
        disk.observe();
        assert!(disk.went_back().is_empty(), "a wiped disk begins anew");

        store.commit(&[pair(&key, 2)]).await.unwrap();
        disk.observe();
        store.commit(&[pair(&key, 1)]).await.unwrap();
        disk.observe();
        assert_eq!(disk.went_back(), ["k from 2-010101 to 1-010101"]);
    }

    #[tokio::test]
    async fn a_copy_is_put_back_only_in_a_later_boot() {
        let random = Random::new(1, "test");
        let disk = Disk::new(&random);
        let store = MemoryStore::open(disk.memory().clone());
        let first = store.boots().intending(&random);
        store.save_boots(&first).await.unwrap();
        disk.back_up();
        let admitted = first.admitting(first.intent.unwrap(), None);
        store.save_boots(&admitted).await.unwrap();
        assert!(
            !disk.restore(),
            "it waited in the copy, and was admitted since"
        );
        disk.back_up();
        let second = admitted.intending(&random);
        store.save_boots(&second).await.unwrap();
        assert!(disk.restore());
        assert_eq!(store.boots(), admitted);
    }
}
