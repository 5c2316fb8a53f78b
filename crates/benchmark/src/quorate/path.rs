//! How programs talk to Quorate.

use std::sync::Arc;

use quorate_proto::RemoteRegister;
use quorate_register::Register;

use crate::system::channel;

/// A way in which programs talk to Quorate. Another way is one more variant, with its
/// register in [`Self::register`], and cells that use it. etcd has one way only, and is
/// compared by it in all cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientPath {
    /// A unary call for each operation, by [`RemoteRegister`]: the thinnest there is, a
    /// message, a channel and a timeout. What the client library adds, the choice of
    /// endpoints and retries, has no counterpart in what etcd is driven by.
    Unary,
    /// Many operations to a message on one stream per connection.
    Exchange,
}

impl ClientPath {
    /// A register behind one new connection.
    pub(super) fn register(self, address: &str) -> Arc<dyn Register> {
        match self {
            Self::Unary => Arc::new(RemoteRegister::new(channel(address))),
            Self::Exchange => Arc::new(RemoteRegister::exchanging(channel(address))),
        }
    }
}
