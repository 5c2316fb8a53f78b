//! Servers.

use std::time::Duration;

use tonic::transport::Server;

use super::age::ConnectionAge;
use super::channel::{CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES};

/// Limits of a server. What a process takes at most is their product with the largest
/// message: lower them where memory is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerOptions {
    /// Connections open at once; more are turned away.
    pub max_connections: usize,
    /// Calls open at once on one connection; more wait at the client.
    pub max_streams: u32,
    /// After how long a silence a ping is sent to a client.
    pub keep_alive_interval: Duration,
    /// How long its answer may take, before the connection is given up; also how long a
    /// new connection may take to say its first words, and one that ends to be closed by its
    /// client.
    pub keep_alive_timeout: Duration,
    /// How long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, Linux only).
    pub user_timeout: Duration,
    /// At what age a connection is to be replaced by its client; `None` for never.
    pub max_connection_age: Option<ConnectionAge>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_streams: 1024,
            keep_alive_interval: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
            user_timeout: Duration::from_secs(10),
            max_connection_age: None,
        }
    }
}

/// How many streams a client may have dropped before they were accepted. A quorum call drops
/// its slower attempts, and a coordinator may have some thousand calls end at one moment;
/// h2's default of 20 takes that for an attack. Each takes a few hundred bytes.
const MAX_PENDING_RESETS: usize = 8192;

/// How often a client may break the rules of HTTP/2 on one connection: h2's default.
const MAX_PROTOCOL_ERRORS: usize = 1024;

/// A server with these limits, to add services to and to serve an
/// [`Incoming`](super::Incoming). [`serve`](super::serve) does more about the age of connections.
pub fn server(options: &ServerOptions) -> Server {
    let server = Server::builder()
        .max_concurrent_streams(options.max_streams)
        .http2_keepalive_interval(Some(options.keep_alive_interval))
        .http2_keepalive_timeout(Some(options.keep_alive_timeout))
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_PROTOCOL_ERRORS))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    match options.max_connection_age {
        Some(age) => server.max_connection_age(age.limit),
        None => server,
    }
}
