//! Channels to replicas and coordinators.

use std::time::Duration;

use http::Uri;
use tonic::transport::{Channel, Endpoint};

use super::TcpConnector;

/// Time limits of a channel's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelOptions {
    /// How long the name's lookup and the connection's set-up may take together.
    pub connect_timeout: Duration,
    /// After how long a silence a ping is sent, open calls or not.
    pub keep_alive_interval: Duration,
    /// How long its answer may take, before the connection is given up.
    pub keep_alive_timeout: Duration,
    /// How long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT, Linux only).
    pub user_timeout: Duration,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            keep_alive_interval: Duration::from_secs(5),
            keep_alive_timeout: Duration::from_secs(5),
            user_timeout: Duration::from_secs(10),
        }
    }
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an address is `host:port`, also with `http://` before it, not {0:?}")]
pub struct InvalidAddress(pub String);

/// HTTP/2 flow control: what a peer may send before it is read, per stream and in all.
/// A value of the default limit passes in one flight.
pub(super) const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
pub(super) const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// How many streams that were dropped are remembered, and for how long, so that answers
/// still under way to them are ignored.
const REMEMBERED_RESETS: usize = 8192;
const RESETS_REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// The endpoint at `host:port`, for those who connect it by a connector of their own.
///
/// # Errors
/// When the address is none.
pub fn endpoint(address: &str, options: &ChannelOptions) -> Result<Endpoint, InvalidAddress> {
    let uri = parse(address).ok_or_else(|| InvalidAddress(address.to_owned()))?;
    Ok(Endpoint::from(uri)
        .connect_timeout(options.connect_timeout)
        .http2_keep_alive_interval(options.keep_alive_interval)
        .keep_alive_timeout(options.keep_alive_timeout)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        // Every quorum call drops its slower attempts. Answers to these would otherwise be
        // counted as errors of the peer, and end the connection after some thousand.
        .http2_max_concurrent_reset_streams(REMEMBERED_RESETS)
        .http2_reset_stream_duration(RESETS_REMEMBERED_FOR)
        .http2_max_local_error_reset_streams(None))
}

/// A channel to `host:port` that connects when it is first used, and again whenever its
/// connection broke. Clones share the connection.
///
/// A name is looked up only when a connection is made, by the channel's own task: a call
/// that waits for it ends by its own timeout. With an IP address there is no lookup at all.
/// Must be called within a tokio runtime.
///
/// # Errors
/// When the address is none.
pub fn channel(address: &str, options: &ChannelOptions) -> Result<Channel, InvalidAddress> {
    let connector = TcpConnector::new(options);
    Ok(endpoint(address, options)?.connect_with_connector_lazy(connector))
}

fn parse(address: &str) -> Option<Uri> {
    let authority = address.strip_prefix("http://").unwrap_or(address);
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let uri = Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query("/")
        .build()
        .ok()?;
    let named = !uri.host()?.is_empty() && uri.port_u16().is_some_and(|port| port != 0);
    (named && !authority.contains('@')).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_host_and_port() {
        for address in [
            "127.0.0.1:7400",
            "[::1]:7400",
            "localhost:7400",
            "quorate-replica-0.quorate-replica:7401",
            "http://localhost:7400",
            "http://localhost:7400/",
        ] {
            let uri = parse(address).unwrap_or_else(|| panic!("{address}"));
            assert!(address.contains(uri.authority().unwrap().as_str()));
        }
        for address in [
            "",
            "localhost",
            ":7400",
            "localhost:",
            "localhost:0",
            "localhost:70000",
            "https://localhost:7400",
            "a b:1",
            "me@localhost:7400",
            "localhost:7400/path",
            "unix:/tmp/x:1",
        ] {
            assert_eq!(parse(address), None, "{address}");
            let error = endpoint(address, &ChannelOptions::default()).unwrap_err();
            assert!(error.to_string().contains(&format!("{address:?}")));
        }
    }
}
