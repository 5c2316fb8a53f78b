//! Sockets, reflection, health, and what the wire can do to a pair.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{AMPLE, MemoryRegister, MemoryReplica, PATIENCE, Server, eventually, key, timestamp};
use quorate_proto::transport::{
    ChannelOptions, Incoming, Routes, ServerOptions, TcpConnector, channel, routes,
};
use quorate_proto::{Limits, RegisterService, RemoteRegister, RemoteReplica};
use quorate_register::{Pair, Register, Replica, ReplicaError, Write};
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::Service;

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn sockets_of_both_sides_have_their_options() {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut incoming = Incoming::new(vec![listener], &ServerOptions::default());
    let mut connector = TcpConnector::new(&ChannelOptions::default());
    std::future::poll_fn(|context| connector.poll_ready(context))
        .await
        .unwrap();
    let connecting = connector.call(format!("http://{address}/").parse().unwrap());
    let (connected, accepted) = tokio::join!(connecting, incoming.next());
    let (connected, accepted) = (connected.unwrap(), accepted.unwrap().unwrap());
    for stream in [connected.inner(), accepted.stream()] {
        let socket = SockRef::from(stream);
        assert!(socket.tcp_nodelay().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(
            socket.tcp_user_timeout().unwrap(),
            Some(Duration::from_secs(10))
        );
    }
}

#[tokio::test]
async fn every_listener_is_served() {
    let listeners = vec![
        TcpListener::bind(loopback()).await.unwrap(),
        TcpListener::bind(loopback()).await.unwrap(),
    ];
    let mut incoming = Incoming::new(listeners, &ServerOptions::default());
    for address in incoming.local_addresses().unwrap() {
        let (connected, accepted) = tokio::join!(TcpStream::connect(address), incoming.next());
        connected.unwrap();
        accepted.unwrap().unwrap();
    }
    assert_eq!(incoming.connections().accepted(), 2);
    assert_eq!(incoming.connections().open(), 0, "both were dropped");
}

async fn supported() -> (Server, quorate_proto::transport::Health) {
    let register = Arc::new(MemoryRegister::default());
    let service = RegisterService::new(register.clone(), register, Limits::default());
    let services = Routes::new(service.into_server());
    let (routes, health) = routes(services, &["quorate.v1.Register"]).await;
    (
        Server::start(routes, ServerOptions::default()).await,
        health,
    )
}

/// The services and two symbols' files, by either version of the reflection protocol.
macro_rules! reflect {
    ($version:ident, $channel:expr) => {{
        use tonic_reflection::pb::$version::ServerReflectionRequest;
        use tonic_reflection::pb::$version::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::$version::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::$version::server_reflection_response::MessageResponse;
        let request = |request| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(request),
        };
        let requests = tokio_stream::iter([
            request(MessageRequest::ListServices(String::new())),
            request(MessageRequest::FileContainingSymbol(
                "quorate.v1.Register".into(),
            )),
            request(MessageRequest::FileContainingSymbol(
                "google.rpc.ErrorInfo".into(),
            )),
        ]);
        let mut client = ServerReflectionClient::new($channel);
        let mut answers = client
            .server_reflection_info(requests)
            .await
            .unwrap()
            .into_inner();
        let mut answer = async || answers.message().await.unwrap().unwrap().message_response;
        let Some(MessageResponse::ListServicesResponse(list)) = answer().await else {
            panic!("no list of services");
        };
        let Some(MessageResponse::FileDescriptorResponse(file)) = answer().await else {
            panic!("no file");
        };
        let Some(MessageResponse::FileDescriptorResponse(errors)) = answer().await else {
            panic!("no file that says what errors carry");
        };
        let mut names: Vec<_> = list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect();
        names.sort();
        let (file, errors) = (file.file_descriptor_proto, errors.file_descriptor_proto);
        (names, file.concat(), errors.concat())
    }};
}

#[tokio::test]
async fn reflection_lists_and_describes() {
    let (server, _health) = supported().await;
    for (names, file, errors) in [
        reflect!(v1, server.channel()),
        reflect!(v1alpha, server.channel()),
    ] {
        let expected = [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "quorate.v1.Register",
        ];
        assert_eq!(names, expected);
        let text = String::from_utf8_lossy(&file);
        assert!(text.contains("GetRequest"));
        assert!(
            text.contains("A linearizable register per key"),
            "comments are the documentation"
        );
        assert!(String::from_utf8_lossy(&errors).contains("error_details.proto"));
    }
}

#[tokio::test]
async fn health_begins_as_not_serving() {
    let (server, health) = supported().await;
    let mut client = HealthClient::new(server.channel());
    for (serving, expected) in [
        (None, ServingStatus::NotServing),
        (Some(true), ServingStatus::Serving),
        (Some(false), ServingStatus::NotServing),
    ] {
        if let Some(serving) = serving {
            health.set_serving(serving).await;
        }
        for service in ["", "quorate.v1.Register"] {
            let service = service.to_owned();
            let answer = client.check(HealthCheckRequest { service }).await.unwrap();
            assert_eq!(answer.into_inner().status(), expected);
        }
    }
    let service = "quorate.v1.Replica".to_owned();
    let status = client
        .check(HealthCheckRequest { service })
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn a_graceful_stop_lets_calls_finish_and_a_cut_does_not() {
    let register = Arc::new(MemoryRegister::default());
    let server = Server::register(register.clone()).await;
    let (connections, cut) = (server.connections.clone(), server.cut.clone());
    let remote = RemoteRegister::new(server.channel());
    let hanging = tokio::spawn(async move { remote.set(&key("hang"), "b".into(), AMPLE).await });
    register.calls.running(1).await;
    let stopping = tokio::spawn(server.stop());
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished(), "a call is in flight");
    cut.cancel();
    stopping.await.unwrap();
    register.calls.running(0).await;
    eventually(|| connections.open() == 0).await;
    let error = hanging.await.unwrap().unwrap_err();
    assert!(!error.has_no_effect(), "{error}");
}

#[tokio::test]
async fn a_bit_flipped_on_the_wire_is_noticed_both_ways() {
    const VALUE: &str = "the marker";
    let (replica, fence) = MemoryReplica::adopted();
    let server = Server::replica(replica.clone()).await;
    let flip = |bytes: &mut [u8]| {
        let marker = bytes
            .windows(VALUE.len())
            .position(|window| window == VALUE.as_bytes());
        if let Some(at) = marker {
            bytes[at] ^= 1;
        }
    };
    let flipping = common::proxy(server.address, flip).await;
    let through = channel(&flipping.address.to_string(), &ChannelOptions::default()).unwrap();
    let remote = RemoteReplica::new(through, Limits::default());
    let a = key("a");
    let write = |value: &'static str| Write {
        pair: Pair::new(&a, timestamp(1), Some(Bytes::from(value))),
        key: a.clone(),
        origin: fence.epoch,
    };
    remote
        .local_write(&fence, &write("harmless"), PATIENCE)
        .await
        .unwrap();
    replica.pairs.lock().unwrap().clear();

    let error = remote
        .local_write(&fence, &write(VALUE), PATIENCE)
        .await
        .unwrap_err();
    assert!(matches!(error, ReplicaError::Corrupted(_)), "{error}");
    assert!(
        replica.pairs.lock().unwrap().is_empty(),
        "it was not handed on"
    );

    let direct = RemoteReplica::new(server.channel(), Limits::default());
    direct
        .local_write(&fence, &write(VALUE), PATIENCE)
        .await
        .unwrap();
    let error = remote.local_read(&fence, &a, PATIENCE).await.unwrap_err();
    assert!(matches!(error, ReplicaError::Corrupted(_)), "{error}");
    assert_eq!(
        direct.local_read(&fence, &a, PATIENCE).await,
        Ok(write(VALUE).pair)
    );
}

/// A peer that accepts bytes and never answers, not even pings: as if it had vanished.
#[tokio::test]
async fn a_silent_peer_costs_its_connection() {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = ChannelOptions {
        keep_alive_interval: Duration::from_millis(50),
        keep_alive_timeout: Duration::from_millis(50),
        ..ChannelOptions::default()
    };
    let through = channel(&address.to_string(), &options).unwrap();
    let remote = RemoteReplica::new(through, Limits::default());
    let fence = MemoryReplica::adopted().1;
    let call = async { remote.local_read(&fence, &key("a"), PATIENCE).await };
    let closed = async {
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, peer.read_to_end(&mut heard))
            .await
            .unwrap();
    };
    let (result, ()) = tokio::join!(call, closed);
    let error = result.unwrap_err();
    assert!(matches!(error, ReplicaError::Unreachable { .. }), "{error}");
}
