//! A coordinator's side of Kubernetes.
//!
//! - [`KubernetesDirectory`]: *addresses*, from the EndpointSlices of the replicas' headless Service,
//!   or from DNS while the API is away;
//! - [`ConfigMapStore`]: *membership*, the agreed config in a ConfigMap that moves by
//!   compare-and-swap;
//! - [`ConfigMapBootCounters`] and [`ClaimVolumes`]: what tells a disk from an old copy of it;
//! - [`StatefulSetWorkload`]: the *desired size*, `spec.replicas`, and Events;
//! - [`Elector`]: a Lease that saves work and that nothing depends on.
//!
//! What the objects say is decided by plain values ([`EndpointIndex`], [`Desired`]) that are fed
//! with events; `follow` feeds them. While the API is away, what is known goes on, and nothing
//! is taken for wanted. docs/kubernetes.md tells it for people.

mod access;
mod args;
mod boot_counters;
mod claims;
mod config_map;
mod config_map_store;
mod desired;
mod directory;
mod endpoints;
mod events;
mod first_config;
mod follow;
mod followed_replica;
mod lease;
mod metrics;
mod names;
mod rights;
mod start;
mod stateful_set;

pub use access::{Answer, ApiAccess, ApiProblem, NoAccess};
pub use args::{KubernetesArgs, Objects};
pub use boot_counters::ConfigMapBootCounters;
pub use claims::ClaimVolumes;
pub use config_map_store::ConfigMapStore;
pub use desired::Desired;
pub use directory::{Connect, KubernetesDirectory};
pub use endpoints::EndpointIndex;
pub use events::{EventPublisher, EventQueue, events};
pub use first_config::make_first_config;
pub use follow::Contact;
pub use lease::{Elector, Leadership, LeaseTimes};
pub use metrics::KubernetesMetrics;
pub use names::{LookUp, PodNames, SystemLookUp, look_up_while_api_is_away};
pub use rights::review_missing_rights;
pub use start::{Kubernetes, KubernetesError};
pub use stateful_set::StatefulSetWorkload;

/// Resources that are followed, as in a Role.
const ENDPOINT_SLICES: &str = "endpointslices.discovery.k8s.io";
const STATEFUL_SETS: &str = "statefulsets.apps";
