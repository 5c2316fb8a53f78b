//! Where a server listens.

mod address;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

pub use address::{ListenAddress, ParseListenAddressError};

/// How many connections the kernel holds until the server accepts them.
const BACKLOG: i32 = 1024;

/// Why a server cannot listen. The text is one line for the user and ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Something listens there already.
    #[error("cannot listen on {address}: the port is in use; choose another with {flag}")]
    InUse {
        /// Where it was to listen.
        address: ListenAddress,
        /// The flag that sets it, such as `--listen`.
        flag: &'static str,
    },
    /// This user may not listen there: ports below 1024 are usually the administrator's.
    #[error(
        "cannot listen on {address}: this user may not use the port; choose one above 1023 with {flag}"
    )]
    NotPermitted {
        /// Where it was to listen.
        address: ListenAddress,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// The address is another machine's.
    #[error(
        "cannot listen on {address}: it is not an address of this machine; choose another with {flag}"
    )]
    NotHere {
        /// Where it was to listen.
        address: ListenAddress,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// Anything else, such as a name that cannot be looked up.
    #[error("cannot listen on {address} ({flag})")]
    Other {
        /// Where it was to listen.
        address: ListenAddress,
        /// The flag that sets it.
        flag: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Listens at `address`, which the user set with `flag`. The port is bound when this
/// returns, and connections wait in the kernel until they are accepted.
///
/// - `[::]` takes IPv4 too; where the machine has no IPv6 it means `0.0.0.0`.
/// - `SO_REUSEADDR` is set: a restarted server need not wait for the sockets of its
///   predecessor's connections to time out.
/// - `TCP_NODELAY` is set, and Linux hands it on to accepted connections: with Nagle's
///   algorithm small answers wait some 40 ms for company.
///
/// # Errors
/// See [`ListenError`].
pub async fn bind(address: &ListenAddress, flag: &'static str) -> Result<TcpListener, ListenError> {
    let bound = match address.resolve().await {
        Ok(resolved) => open_either(resolved),
        Err(cause) => Err(cause),
    };
    bound.map_err(|source| {
        let address = address.clone();
        match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse { address, flag },
            io::ErrorKind::PermissionDenied => ListenError::NotPermitted { address, flag },
            io::ErrorKind::AddrNotAvailable => ListenError::NotHere { address, flag },
            _ => ListenError::Other {
                address,
                flag,
                source,
            },
        }
    })
}

/// Opens `address`, or all of IPv4 where all of IPv6 and IPv4 was meant and there is no IPv6.
fn open_either(address: SocketAddr) -> io::Result<TcpListener> {
    match open(address) {
        Err(cause) if lacks_ipv6(&cause) && address.is_ipv6() && address.ip().is_unspecified() => {
            open((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        opened => opened,
    }
}

/// Whether the kernel has IPv6 turned off.
fn lacks_ipv6(cause: &io::Error) -> bool {
    cause.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

/// Opens a listening socket.
fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if domain == Domain::IPV6 {
        // The default is the machine's setting; ours is the same everywhere.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests;
