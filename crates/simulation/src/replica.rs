//! Replicas: the machine that runs one, what it is asked, and how a coordinator reaches it.

mod disk;
mod host;
mod remote;
mod request;
mod stream;

pub(crate) use host::ReplicaHost;
pub(crate) use remote::SimulatedReplica;
pub(crate) use stream::SimulatedStream;
