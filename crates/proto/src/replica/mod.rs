//! The gRPC side of [`Replica`](quorate_register::Replica).

mod remote;
mod server;
mod wire;

pub use remote::RemoteReplica;
pub use server::ReplicaService;
