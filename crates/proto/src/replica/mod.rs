//! The gRPC side of [`Replica`](quorate_register::Replica).

mod exchanged;
mod server;
mod unary;
mod wire;

pub use exchanged::{ExchangedReplica, RemoteReplica};
pub use server::ReplicaService;

pub use wire::{ExchangeStream, Requests, Responses, exchange_answers};
