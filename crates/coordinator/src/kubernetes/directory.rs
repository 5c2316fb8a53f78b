//! Where the members are, on Kubernetes.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use parking_lot::Mutex;
use quorate_register::{Entropy, Member, Replica};

use super::ENDPOINT_SLICES;
use super::access::ApiAccess;
use super::endpoints::EndpointIndex;
use super::follow::{Contact, Followed, Sink};
use super::followed_replica::FollowedReplica;
use crate::membership::{Directory, Location};

/// Makes the way to the replica at an address; it connects when it is first used.
pub type Connect = Arc<dyn Fn(SocketAddr) -> Arc<dyn Replica> + Send + Sync>;

/// The pods behind a headless Service, at the addresses of its EndpointSlices. While the API
/// does not tell, those of DNS take their place, and what neither knows stays where it was.
#[derive(Clone)]
pub struct KubernetesDirectory {
    state: Arc<Mutex<State>>,
    contact: Contact,
    connect: Connect,
    port: u16,
}

#[derive(Default)]
struct State {
    index: EndpointIndex,
    /// What DNS told since the API last did.
    resolved: BTreeMap<String, Vec<IpAddr>>,
    /// By pod: all that are known, and all that were asked for.
    replicas: BTreeMap<String, Arc<FollowedReplica>>,
}

impl State {
    fn known(&self, api_is_current: bool) -> BTreeMap<String, Vec<IpAddr>> {
        let mut pods = self.index.pods();
        if !api_is_current {
            pods.extend(self.resolved.clone());
        }
        pods
    }

    fn followed(&mut self, pod: &str) -> Arc<FollowedReplica> {
        let followed = self
            .replicas
            .entry(pod.to_owned())
            .or_insert_with(|| Arc::new(FollowedReplica::nowhere(pod)));
        followed.clone()
    }
}

impl KubernetesDirectory {
    /// One that knows no pod yet; replicas listen on `port`.
    pub fn new(port: u16, connect: Connect) -> Self {
        Self {
            state: Arc::default(),
            contact: Contact::default(),
            connect,
            port,
        }
    }

    /// Whether the API tells where pods are.
    pub fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Follows the EndpointSlices of `service` for ever.
    pub async fn follow(&self, access: ApiAccess, service: &str, entropy: Arc<dyn Entropy>) {
        let followed = Followed {
            api: Api::<EndpointSlice>::namespaced(access.client(), access.namespace()),
            resource: ENDPOINT_SLICES,
            labels: Some(format!("kubernetes.io/service-name={service}")),
            fields: None,
        };
        let contact = self.contact.clone();
        followed.run(access, self.clone(), contact, entropy).await;
    }

    /// All pods that somebody asked for or was told of.
    pub(super) fn names(&self) -> Vec<String> {
        self.state.lock().replicas.keys().cloned().collect()
    }

    /// DNS says that `pod` is at these addresses.
    pub(super) fn resolved(&self, pod: &str, addresses: Vec<IpAddr>) {
        self.change(|state| {
            state.resolved.insert(pod.to_owned(), addresses);
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let current = self.contact.is_current();
        let mut state = self.state.lock();
        change(&mut state);
        let known = state.known(current);
        for (pod, addresses) in &known {
            let Some(best) = addresses.first() else {
                continue;
            };
            let followed = state.followed(pod);
            let address = SocketAddr::new(*best, self.port);
            let moved = followed.address() != Some(address);
            if moved {
                tracing::debug!(pod, %address, "found a replica");
                followed.move_to(address, (self.connect)(address));
            }
        }
        // A pod that is gone and that nobody asks for is forgotten. A member stays where it
        // was last: somebody may have deleted the Service, and not the pod.
        let wanted = |pod: &String, followed: &mut Arc<FollowedReplica>| {
            known.contains_key(pod) || Arc::strong_count(followed) > 1
        };
        state.replicas.retain(wanted);
    }
}

impl Sink<EndpointSlice> for KubernetesDirectory {
    fn replace(&self, slices: Vec<EndpointSlice>) {
        self.change(|state| {
            state.index.replace(slices);
            state.resolved.clear();
        });
    }

    fn apply(&self, slice: EndpointSlice) {
        self.change(|state| state.index.apply(slice));
    }

    fn delete(&self, slice: EndpointSlice) {
        let name = slice.metadata.name.unwrap_or_default();
        self.change(|state| state.index.delete(&name));
    }
}

impl Directory for KubernetesDirectory {
    fn replica(&self, member: &Member) -> Arc<dyn Replica> {
        self.state.lock().followed(&member.pod)
    }

    fn pods(&self) -> Vec<String> {
        let current = self.contact.is_current();
        self.state.lock().known(current).into_keys().collect()
    }

    fn pod(&self, pod: &str) -> Option<Arc<dyn Replica>> {
        let current = self.contact.is_current();
        let mut state = self.state.lock();
        if !state.known(current).contains_key(pod) {
            return None;
        }
        Some(state.followed(pod))
    }

    fn address(&self, pod: &str) -> Option<String> {
        let state = self.state.lock();
        let address = state.replicas.get(pod)?.address()?;
        Some(address.to_string())
    }

    fn location(&self, pod: &str) -> Location {
        self.state.lock().index.location(pod)
    }
}
