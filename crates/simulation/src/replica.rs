//! Replicas: the machine that runs one, what it is asked, and how a coordinator reaches it.

mod disk;
mod host;
mod remote;
mod request;

pub(crate) use host::ReplicaHost;
pub(crate) use remote::SimulatedReplica;
