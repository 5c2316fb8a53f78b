//! A Rust client of Quorate.
//!
//! [`Client`] is a [`Register`] behind one or several endpoints, each a coordinator or
//! something that leads to some, such as a Kubernetes Service.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use quorate_client::{Applied, Client, Key, Register};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(["http://127.0.0.1:7400", "http://127.0.0.1:7410"])?;
//! let greeting = Key::new("greeting")?;
//!
//! let version = client.set(&greeting, "hello".into(), None).await?;
//! println!("written as {version}");
//!
//! let limit = Some(Duration::from_secs(1));
//! match client.get(&greeting, limit).await?.value {
//!     Some(value) => println!("{}", String::from_utf8_lossy(&value)),
//!     None => println!("there is no value"),
//! }
//!
//! if let Err(error) = client.delete(&greeting, limit).await {
//!     match error.applied {
//!         Applied::No => println!("surely not deleted, try again: {error}"),
//!         // A get that finds the key empty shows that it was; one that does not shows
//!         // nothing, for it may yet be. To delete again is another delete: it may remove
//!         // what somebody wrote in between.
//!         Applied::Maybe => println!("perhaps deleted: {error}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Which endpoint
//!
//! A client uses one endpoint and stays with it, beginning with a random one. It leaves an
//! endpoint that cannot be reached, does not answer in time, has no quorum, or says that it
//! is not ready or stopping; that one is tried again some time later, or when there is none
//! better. Each endpoint has one connection, made when it is first needed and again, with
//! backoff, when it is needed after it broke. A coordinator serves up to 1024 calls at once
//! on one connection; more wait. For more, make more clients.
//!
//! # Deadlines and retries
//!
//! Every call ends within its timeout, [`ClientOptions::timeout`] unless it has one of its
//! own. Within that time a failed call is made again, at another endpoint if there is one,
//! when that can do no harm: a Get, or a Set or Delete that was surely not applied. A Get
//! that is not answered leaves half of its time to another endpoint, if there is one. A Set
//! or Delete is made again only in the first half of its time: a late attempt would turn what
//! is surely not applied into an unknown outcome. **A Set or Delete whose outcome is unknown is never made again**, since it would be a second
//! write, which could bring back a value that somebody replaced in between. Its error says
//! [`Applied::Maybe`].
//!
//! Nothing between a client and a coordinator may make calls again by itself either; what
//! is marked as a retry by a proxy is refused.

mod backoff;
mod call;
mod choice;
mod client;
mod connection;
mod failure;
mod options;

pub use client::Client;
pub use options::{ClientOptions, InvalidEndpoints, MAX_ENDPOINTS};

pub use quorate_proto::transport::{ChannelOptions, InvalidAddress};
pub use quorate_proto::v1::{MemberStatus, MembershipStatus, StatusResponse};
pub use quorate_register::{
    Applied, Entropy, Entry, InvalidKey, Key, MAX_KEY_BYTES, OperationError, Reason, Register,
    Version,
};
