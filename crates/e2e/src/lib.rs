//! What tests against a real Kubernetes cluster share: a namespace for each, conditions that are
//! waited for, and faults between a client and the API server.
//!
//! The cluster is the one that `KUBECONFIG` names. Each test is `#[ignore]`d, so that `cargo test`
//! needs no cluster; `scripts/kubernetes-tests` runs them.

mod fault;
mod namespace;
mod proxy;
mod until;

pub use fault::{Fault, Faults};
pub use namespace::Namespace;
pub use proxy::Proxy;
pub use until::{until, until_within};
