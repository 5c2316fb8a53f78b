//! The active role: a coordinator performs each operation by quorum calls over the members of
//! the agreed config. It keeps nothing that another coordinator would need.
//!
//! - [`Coordinator`] is the register in this process: admission, deadline, outcome.
//! - `quorum` is the heart of it: *rounds* of *attempts*, which end with everything they began.
//! - [`membership`] knows the config, proves it active, and reaches its members.
//! - [`kubernetes`] is where members, config and wanted size come from on Kubernetes.
//! - [`reconfiguration`] changes the members.

mod admission;
mod args;
mod canary;
mod coordinator;
pub mod kubernetes;
mod live;
pub mod membership;
mod membership_service;
mod merge;
mod metrics;
mod notable;
mod operation;
mod outcome;
mod quorum;
mod reachability;
pub mod reconfiguration;
mod refusals;
pub mod repair;
mod role;
mod run;
mod status;
mod status_page;
mod status_source;
mod version_order;

pub use args::{
    AddressProblem, CoordinatorArgs, MembershipArgs, OperationArgs, ReplicaAddress,
    remote_directory,
};
pub use canary::{Canary, CanaryMetrics};
pub use coordinator::{Coordinator, CoordinatorOptions};
pub use live::{LiveCounts, LiveSnapshot};
pub use metrics::{CoordinatorMetrics, Violations};
pub use quorum::{Backoff, QuorumOptions};
pub use role::Role;
pub use run::{
    Agreement, CoordinatorParts, RunError, listed, run, run_until_signalled, serve, start,
};
pub use status::{MemberStatus, Status};
