//! A coordinator's side of Kubernetes against the real API server. No pod runs: what controllers
//! would make, the tests make by hand.

mod config_map;
#[path = "../../../coordinator/tests/membership/conformance.rs"]
mod conformance;
mod directory;
mod disks;
mod first_config;
mod lease;
mod rights;
mod support;
mod workload;
