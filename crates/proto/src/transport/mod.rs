//! Channels and servers with every timeout and limit set.
//!
//! Beneath a call that is dropped or times out lies a connection, which must go too when its
//! peer vanishes without a word. Both sides therefore send HTTP/2 pings, even while no call
//! is open, and limit how long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT): with
//! the defaults a dead connection's descriptors are free within 10 seconds. Nagle's
//! algorithm is off on every connection; one where it cannot be turned off is refused, since
//! it makes batches of small messages a thousand times slower.

mod accepted;
mod age;
mod channel;
mod connections;
mod connector;
mod incoming;
mod linger;
mod sent;
mod serve;
mod server;
mod services;
mod turn_away;

pub use accepted::Accepted;
pub use age::{ConnectionAge, Retired};
pub use channel::{ChannelOptions, InvalidAddress, channel, endpoint};
pub use connections::Connections;
pub use connector::TcpConnector;
pub use incoming::Incoming;
pub(crate) use sent::{SentMark, Tracked};
pub use tonic::service::Routes;

pub use serve::{Phases, serve, serve_role};
pub use server::{ServerOptions, server};
pub use services::{Health, routes};
