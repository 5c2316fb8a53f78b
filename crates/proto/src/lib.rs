//! The gRPC interface of Quorate: generated messages, conversions, and both traits over the
//! wire.
//!
//! - [`v1`]: what the `.proto` files say, generated.
//! - [`convert`]: between those messages and the types of `quorate-register`. It is the only
//!   place that validates input: whatever passed it is within its limits.
//! - [`ReplicaService`] serves any [`Replica`](quorate_register::Replica), [`RemoteReplica`]
//!   is one behind a channel; likewise [`RegisterService`] and [`RemoteRegister`] for
//!   [`Register`](quorate_register::Register).
//! - [`exchange`]: many calls on one stream, which is how a coordinator talks to a replica.
//! - [`error`]: between [`OperationError`](quorate_register::OperationError) and
//!   [`tonic::Status`], the one place that chooses codes.
//! - [`transport`]: channels and servers with every timeout and limit set.

mod codec;
pub mod convert;
pub mod deadline;
pub mod error;
pub mod exchange;
mod generated;
mod limits;
mod register;
mod replica;
pub mod transport;

pub use convert::InvalidMessage;
pub use generated::{FILE_DESCRIPTOR_SET, v1};
pub use limits::{LimitOutOfRange, Limits};
pub use register::{
    RefusalObserver, RegisterServer, RegisterService, RemoteRegister, StatusSource,
};
pub use replica::{
    ExchangeStream, ExchangedReplica, RemoteReplica, ReplicaService, Requests, Responses,
    exchange_answers,
};
