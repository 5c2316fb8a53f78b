//! A replica that is asked wherever its pod is now.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use quorate_register::{Replica, StandIn};

use crate::membership::Nowhere;

/// The replica in the pod of one name. Its address may change between calls, and a call goes on
/// where it was begun; that no other replica answers for it is the fence's care.
pub(super) struct FollowedReplica {
    pod: String,
    place: ArcSwapOption<Place>,
}

struct Place {
    address: SocketAddr,
    replica: Arc<dyn Replica>,
}

impl FollowedReplica {
    pub(super) fn nowhere(pod: impl Into<String>) -> Self {
        Self {
            pod: pod.into(),
            place: ArcSwapOption::empty(),
        }
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.place.load().as_ref().map(|place| place.address)
    }

    pub(super) fn move_to(&self, address: SocketAddr, replica: Arc<dyn Replica>) {
        self.place.store(Some(Arc::new(Place { address, replica })));
    }
}

impl StandIn for FollowedReplica {
    type Replica = dyn Replica;

    fn current(&self) -> Arc<dyn Replica> {
        match &*self.place.load() {
            Some(place) => place.replica.clone(),
            None => Arc::new(Nowhere(self.pod.clone())),
        }
    }
}
