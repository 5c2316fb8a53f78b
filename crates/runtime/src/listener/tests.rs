//! Real sockets on loopback.

use std::error::Error as _;
use std::net::Ipv6Addr;

use tokio::net::TcpStream;

use super::*;

async fn bound(address: &str) -> TcpListener {
    let address: ListenAddress = address.parse().expect(address);
    bind(&address, "--listen").await.expect("a free port")
}

async fn refused(address: &str) -> ListenError {
    let address: ListenAddress = address.parse().expect(address);
    let bound = bind(&address, "--listen").await;
    bound.expect_err("it cannot listen there")
}

fn port(listener: &TcpListener) -> u16 {
    let address = listener
        .local_addr()
        .expect("a bound socket has an address");
    address.port()
}

/// Connects and checks that accepted connections do not wait for company.
async fn assert_reachable(listener: &TcpListener, host: &str) {
    let connected = TcpStream::connect((host, port(listener))).await;
    let client = connected.expect("the listener is reachable");
    let (accepted, peer) = listener.accept().await.expect("somebody connected");
    let own = client
        .local_addr()
        .expect("a connected socket has an address");
    // A socket of both families shows IPv4 addresses mapped into IPv6.
    let peer = (peer.ip().to_canonical(), peer.port());
    assert_eq!(peer, (own.ip(), own.port()));
    assert_eq!(accepted.nodelay().ok(), Some(true));
}

#[tokio::test]
async fn every_form_of_address_is_reachable() {
    assert_reachable(&bound("127.0.0.1:0").await, "127.0.0.1").await;
    assert_reachable(&bound("0.0.0.0:0").await, "127.0.0.1").await;
    assert_reachable(&bound("localhost:0").await, "localhost").await;
}

#[tokio::test]
async fn all_of_ipv6_takes_ipv4_too() {
    let listener = bound("[::]:0").await;
    assert_reachable(&listener, "127.0.0.1").await;
    // Where the machine has no IPv6 the fallback was bound, and there is no more to check.
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        assert_reachable(&listener, "::1").await;
        assert_reachable(&bound("[::1]:0").await, "::1").await;
    }
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line() {
    let first = bound("127.0.0.1:0").await;
    let address = format!("127.0.0.1:{}", port(&first));
    let expected =
        format!("cannot listen on {address}: the port is in use; choose another with --listen");
    assert_eq!(refused(&address).await.to_string(), expected);
    let wide = refused(&format!("[::]:{}", port(&first))).await;
    assert!(matches!(wide, ListenError::InUse { .. }), "{wide}");
}

#[tokio::test]
async fn a_port_is_free_again_at_once() {
    let first = bound("127.0.0.1:0").await;
    let port = port(&first);
    // The side that closes first keeps the socket in TIME_WAIT: make that the server's.
    let client = TcpStream::connect(("127.0.0.1", port)).await;
    let client = client.expect("the listener is reachable");
    drop(first.accept().await.expect("somebody connected"));
    client.readable().await.expect("the server closed");
    drop((client, first));
    bound(&format!("127.0.0.1:{port}")).await;
}

#[tokio::test]
async fn a_foreign_address_is_named() {
    // TEST-NET-1 (RFC 5737) is no machine's.
    let error = refused("192.0.2.1:7400").await;
    let expected = "cannot listen on 192.0.2.1:7400: it is not an address of this machine; \
                    choose another with --listen";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn an_unknown_name_has_its_cause() {
    // An empty label is no name: this fails here, without asking a server.
    let error = refused("no..name:7400").await;
    let expected = "cannot listen on no..name:7400 (--listen)";
    assert_eq!(error.to_string(), expected);
    assert!(error.source().is_some());
}

#[test]
fn only_a_missing_ipv6_falls_back() {
    let missing = io::Error::from_raw_os_error(Errno::AFNOSUPPORT.raw_os_error());
    assert!(lacks_ipv6(&missing));
    assert!(!lacks_ipv6(&io::Error::from(io::ErrorKind::AddrInUse)));
}
