//! What the tests of the coordinator share: replicas that do as a test says, clusters of them,
//! and a census of all that must be gone in the end.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses another part"
)]

mod census;
mod chaos;
mod cluster;
mod front;
mod random;
mod scripted;
mod served;

pub(crate) use census::{Census, alone, until, until_within};
pub(crate) use chaos::{Current, Hosts, Stage, Trigger, chaos};
pub(crate) use cluster::{Cluster, child, key, options, pair};
pub(crate) use front::{front, traced_front};
pub(crate) use random::Seeded;
pub(crate) use scripted::{Act, Scripted, Seen};
pub(crate) use served::{Served, listen, nonblocking};
