//! Quorate: some replicas, some coordinators, and registers over its interface.

mod cluster;
mod metrics;
mod path;

pub(crate) use cluster::{MAX_COORDINATORS, QuorateCluster, Shape};
pub(crate) use metrics::Metrics;
pub(crate) use path::ClientPath;
