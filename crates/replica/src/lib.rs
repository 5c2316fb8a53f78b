//! The passive role: a replica keeps the pair with the largest timestamp per key, on disk.
//!
//! Every write and every adoption of a config goes through one [queue](CommitLimits), and one
//! [`Committer`] empties it: whatever is queued becomes a batch, each entry's fence is checked
//! when the batch is formed, the batch is made durable by one sync, and only then it is
//! visible and answered. Reads run beside it; their fence check and their access to the
//! store are one section, which an adoption cannot split.
//!
//! A replica may wait until a coordinator admits its boot ([`begin_boot`]), and once an active
//! config has no place for it, it wipes its disk and comes back as another: [`ReplicaHost`].
//!
//! [`LocalReplica`] is the whole of it behind the trait [`Replica`](quorate_register::Replica),
//! for callers in this process (*loopback*) and for the gRPC service alike.

mod args;
mod boot;
mod committer;
mod departure;
mod digests;
mod directory_disk;
pub mod disk;
mod host;
mod local;
pub mod memory;
mod metrics;
mod process;
mod queue;
mod run;
mod state;
mod status_page;
mod store;
mod tombstones;
mod traced;

pub use args::{AdmissionArgs, ReplicaArgs, StoreArgs, StoreLimitArgs};
pub use boot::{BootStart, InstanceDirectory, begin_boot, judge_start};
pub use committer::{Committer, Ended};
pub use departure::{DepartingSignals, Departure};
pub use directory_disk::DirectoryDisk;
pub use host::ReplicaHost;
pub use local::{LocalReplica, ReplicaOptions};
pub use metrics::ReplicaMetrics;
pub use process::{Committing, Disk, RunningReplica, start};
pub use queue::CommitLimits;
pub use run::{RunError, observe, open, run, serve};
pub use store::{Space, Store, StoreError};
