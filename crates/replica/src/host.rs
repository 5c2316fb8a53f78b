//! A replica that outlives its disk: once one is retired and wiped, the next takes its place.

use std::sync::Arc;

use arc_swap::ArcSwap;
use quorate_register::{HeldConfig, StandIn};

use crate::{LocalReplica, Store};

/// The place of a replica in this process: whatever it is asked, it asks the replica that is
/// in the place now.
///
/// A retired replica wipes its disk and comes back with a new id, and where all roles are one
/// process (`quorate dev`) that cannot end for it. What looking the replica up costs a request
/// is one counted reference.
pub struct ReplicaHost<S> {
    current: ArcSwap<LocalReplica<S>>,
}

impl<S: Store> ReplicaHost<S> {
    /// The place, with the replica in it.
    pub fn new(replica: LocalReplica<S>) -> Self {
        Self {
            current: ArcSwap::from_pointee(replica),
        }
    }

    /// Puts another replica in the place. Requests that were begun go on at the one before.
    pub fn replace(&self, replica: LocalReplica<S>) {
        self.current.store(Arc::new(replica));
    }

    /// The config served under; `None` on a disk that never held one.
    pub fn config(&self) -> Option<HeldConfig> {
        self.current.load().config()
    }

    /// Reads the gauges that nothing else keeps up to date.
    pub fn observe(&self) {
        self.current.load().observe();
    }

    /// Takes one more sample of the store, for the gauges that need one.
    pub fn sample(&self) {
        self.current.load().sample();
    }
}

impl<S: Store> StandIn for ReplicaHost<S> {
    type Replica = LocalReplica<S>;

    fn current(&self) -> Arc<LocalReplica<S>> {
        self.current.load_full()
    }
}
