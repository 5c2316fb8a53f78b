//! Connections that grow old.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{AMPLE, MemoryRegister, MemoryReplica, PATIENCE, Server, eventually, key};
use quorate_proto::transport::{ConnectionAge, Routes, ServerOptions};
use quorate_proto::{Limits, RemoteRegister, RemoteReplica, ReplicaService};
use quorate_register::{Pair, Register, Replica};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn options(limit: Duration, grace: Duration) -> ServerOptions {
    ServerOptions {
        max_connection_age: Some(ConnectionAge { limit, grace }),
        ..ServerOptions::default()
    }
}

#[tokio::test]
async fn what_was_called_before_is_answered_and_what_comes_then_takes_another_connection() {
    let (replica, fence) = MemoryReplica::adopted();
    let service = ReplicaService::new(replica.clone(), Limits::default()).into_server();
    let options = options(Duration::from_millis(50), PATIENCE);
    let server = Server::start(Routes::new(service), options).await;
    let channel = server.channel();
    let remote = RemoteReplica::new(channel.clone(), Limits::default());
    let call = tokio::spawn(async move { remote.local_read(&fence, &key("gate"), PATIENCE).await });
    replica.calls.running(1).await;
    let other = RemoteReplica::new(channel, Limits::default());
    // One that comes at the wrong moment may be refused; it says so.
    let other = async || {
        let _ = other.local_read(&fence, &key("k"), PATIENCE).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        server.connections.accepted() > 1
    };
    tokio::time::timeout(PATIENCE, async { while !other().await {} })
        .await
        .unwrap();
    assert!(!call.is_finished());
    replica.gate.notify_one();
    assert_eq!(call.await.unwrap(), Ok(Pair::UNWRITTEN));
}

#[tokio::test]
async fn what_takes_longer_than_its_grace_is_cut() {
    let register = Arc::new(MemoryRegister::default());
    let short = Duration::from_millis(50);
    let server = Server::register_with(register.clone(), options(short, short)).await;
    let remote = RemoteRegister::new(server.channel());
    let cut = remote.set(&key("hang"), "a".into(), AMPLE).await;
    let error = cut.unwrap_err();
    assert!(!error.has_no_effect(), "{error}");
    register.calls.running(0).await;
    eventually(|| server.connections.open() == 0).await;
}

#[tokio::test]
async fn without_an_age_a_connection_stays() {
    let register = Arc::new(MemoryRegister::default());
    let server = Server::register(register).await;
    let remote = RemoteRegister::new(server.channel());
    for _ in 0..3 {
        remote.get(&key("k"), AMPLE).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.connections.accepted(), 1);
}

/// A server that closed at once would answer what comes then with a reset, and its client might
/// never read which calls were not looked at.
#[tokio::test]
async fn the_end_of_a_connection_waits_for_its_client() {
    let short = Duration::from_millis(50);
    let options = ServerOptions {
        keep_alive_timeout: PATIENCE,
        ..options(short, PATIENCE)
    };
    let register = Arc::new(MemoryRegister::default());
    let server = Server::register_with(register, options).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&EMPTY_SETTINGS).await.unwrap();
    while !answer_ping(&mut stream).await {}
    stream.read_to_end(&mut Vec::new()).await.unwrap();
    for _ in 0..10 {
        stream.write_all(&EMPTY_SETTINGS).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(server.connections.open(), 1);
    drop(stream);
    eventually(|| server.connections.open() == 0).await;
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Length (24 bits), type, flags, stream.
const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Reads a frame, and answers it if it is the ping between a GOAWAY and the last one.
async fn answer_ping(stream: &mut TcpStream) -> bool {
    const PING: u8 = 6;
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.unwrap();
    if head[3] != PING {
        return false;
    }
    head[4] = 1; // it is an answer
    stream
        .write_all(&[&head[..], &payload].concat())
        .await
        .unwrap();
    true
}
