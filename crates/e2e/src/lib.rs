//! What tests against a real Kubernetes cluster share: a namespace for each, conditions that are
//! waited for, faults between a client and the API server, and the chart with clients of it.
//!
//! The cluster is the one that `KUBECONFIG` names. Each test is `#[ignore]`d, so that `cargo test`
//! needs no cluster; `scripts/kubernetes-tests` runs them.

mod artifacts;
mod cluster;
mod fault;
mod load;
mod namespace;
mod process;
mod proxy;
mod release;
mod until;

pub use cluster::{ClusterFault, cluster};
pub use fault::{Fault, Faults};
pub use load::{Load, Report};
pub use namespace::Namespace;
pub use process::PodProcess;
pub use proxy::Proxy;
pub use release::{LIMIT, Release, WAIT};
pub use until::{until, until_within};
