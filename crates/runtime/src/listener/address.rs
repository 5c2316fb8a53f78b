//! Addresses to listen on, as people write them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// How long the lookup of a name may take; it happens once, at start.
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);

/// The longest host name (RFC 1035).
const MAX_NAME_BYTES: usize = 253;

/// Why a text is not an address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseListenAddressError {
    /// There is no `host:port` to be seen.
    #[error("an address is host:port, such as 127.0.0.1:7400, or [::]:7400 for every address")]
    Malformed,
    /// The port is not a number up to 65535.
    #[error("a port is a number from 0 (any free one) to 65535, not {0:?}")]
    Port(String),
    /// The host is neither an IP address nor a name.
    #[error("a host is an IPv4 address, an IPv6 address in brackets, or a name, not {0:?}")]
    Host(String),
}

/// A host and a port to listen on: `127.0.0.1:7400`, `[::1]:7400`, `[::]:7400` (every
/// address, IPv4 too), `0.0.0.0:7400` (every IPv4 address) or `localhost:7400`. Port 0 is
/// any free one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    Name(String),
}

impl ListenAddress {
    /// The loopback address of this machine.
    pub const fn loopback(port: u16) -> Self {
        let host = Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Self { host, port }
    }

    /// The port; 0 is any free one.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The address to bind. Of the addresses of a name the first IPv4 one, or else the first.
    pub(super) async fn resolve(&self) -> io::Result<SocketAddr> {
        let name = match &self.host {
            Host::Address(address) => return Ok(SocketAddr::new(*address, self.port)),
            Host::Name(name) => name,
        };
        let lookup = tokio::net::lookup_host((name.as_str(), self.port));
        let found = tokio::time::timeout(LOOKUP_LIMIT, lookup).await;
        let found = found.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        found
            .min_by_key(SocketAddr::is_ipv6)
            .ok_or_else(|| io::Error::other("the name has no address"))
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        let host = Host::Address(address.ip());
        Self {
            host,
            port: address.port(),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Address(address) => SocketAddr::new(*address, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = ParseListenAddressError;

    fn from_str(text: &str) -> Result<Self, ParseListenAddressError> {
        let split = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let (host, port) = split.ok_or(ParseListenAddressError::Malformed)?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or_else(|| ParseListenAddressError::Port(port.to_owned()))?;
        let host =
            parse_host(host).ok_or_else(|| ParseListenAddressError::Host(host.to_owned()))?;
        Ok(Self { host, port })
    }
}

/// Parses what stands before the port.
fn parse_host(text: &str) -> Option<Host> {
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(Host::Address(IpAddr::V6(address)));
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Address(IpAddr::V4(address)));
    }
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    // No top-level domain is a number: digits and dots are a mistyped IPv4 address.
    let is_name = text.bytes().all(usual) && text.bytes().any(|byte| byte.is_ascii_alphabetic());
    (is_name && text.len() <= MAX_NAME_BYTES).then(|| Host::Name(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_round_trip() {
        for text in [
            "127.0.0.1:7400",
            "0.0.0.0:0",
            "[::]:7400",
            "[::1]:65535",
            "[fd00::12]:1",
            "localhost:7400",
            "quorate-replica-0.quorate_replica.svc:7401",
        ] {
            let address: ListenAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        use ParseListenAddressError::{Host, Malformed, Port};
        for (text, expected) in [
            ("", Malformed),
            ("7400", Malformed),
            (":7400", Malformed),
            ("localhost", Malformed),
            ("localhost:", Port(String::new())),
            ("localhost:http", Port("http".to_owned())),
            ("localhost:+1", Port("+1".to_owned())),
            ("127.0.0.1:65536", Port("65536".to_owned())),
            ("::1:7400", Host("::1".to_owned())),
            ("[::1:7400", Host("[::1".to_owned())),
            ("[localhost]:7400", Host("[localhost]".to_owned())),
            ("127.0.0:7400", Host("127.0.0".to_owned())),
            ("http://localhost:7400", Host("http://localhost".to_owned())),
            ("a b:1", Host("a b".to_owned())),
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(expected), "{text}");
        }
        let long = format!("{}:1", "a".repeat(MAX_NAME_BYTES + 1));
        assert!(matches!(long.parse::<ListenAddress>(), Err(Host(_))));
    }

    #[tokio::test]
    async fn a_name_is_looked_up() {
        let address: ListenAddress = "localhost:7400".parse().expect("a name and a port");
        let resolved = address
            .resolve()
            .await
            .expect("every machine knows localhost");
        assert!(resolved.ip().is_loopback(), "{resolved}");
        assert_eq!(resolved.port(), 7400);
    }
}
