//! Each limit's error as a user of any gRPC client reads it.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use common::{MemoryRegister, PATIENCE, Server, eventually};
use quorate_proto::transport::ServerOptions;
use quorate_proto::v1::register_client::RegisterClient;
use quorate_proto::{Limits, RefusalObserver, RegisterService, v1};
use quorate_register::{OperationError, Reason};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

async fn serve() -> (Server, RegisterClient<Channel>, Arc<MemoryRegister>) {
    let register = Arc::new(MemoryRegister::default());
    let server = Server::register(register.clone()).await;
    let client = RegisterClient::new(server.channel());
    (server, client, register)
}

fn set(key: &[u8], value: Bytes) -> v1::SetRequest {
    let key = Bytes::copy_from_slice(key);
    v1::SetRequest { key, value }
}

/// What a user sees: code, message, reason, whether it was applied, and the field.
#[track_caller]
fn assert_reads(
    status: &Status,
    code: Code,
    message: &str,
    reason: &str,
    applied: &str,
    field: Option<&str>,
) {
    assert_eq!(status.code(), code, "{status:?}");
    assert_eq!(status.message(), message);
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(
        (info.domain.as_str(), info.reason.as_str()),
        ("quorate", reason)
    );
    assert_eq!(info.metadata["applied"], applied);
    assert_eq!(info.metadata.get("field").map(String::as_str), field);
}

#[track_caller]
fn assert_invalid(status: &Status, field: &str, problem: &str) {
    let message = format!("{field}: {problem}");
    assert_reads(
        status,
        Code::InvalidArgument,
        &message,
        "INVALID_ARGUMENT",
        "NO",
        Some(field),
    );
}

#[tokio::test]
async fn keys_and_values_outside_their_limits() {
    let (_server, mut client, register) = serve().await;
    let empty = "it is empty; a key has 1 to 1024 bytes";
    let long = "it has 1025 bytes; a key has 1 to 1024 bytes";
    for (key, problem) in [(vec![], empty), (vec![1; 1025], long)] {
        let key = Bytes::from(key);
        let get = v1::GetRequest { key: key.clone() };
        assert_invalid(&client.get(get).await.unwrap_err(), "key", problem);
        let delete = v1::DeleteRequest { key: key.clone() };
        assert_invalid(&client.delete(delete).await.unwrap_err(), "key", problem);
        let status = client.set(set(&key, Bytes::new())).await.unwrap_err();
        assert_invalid(&status, "key", problem);
    }
    let value = Bytes::from(vec![1; 1024 * 1024 + 1]);
    let status = client.set(set(b"key", value)).await.unwrap_err();
    assert_invalid(
        &status,
        "value",
        "it has 1048577 bytes; the limit is 1048576",
    );
    assert_eq!(register.calls.count(), 0);
}

/// These are refused before they are received, by tonic, which would say OUT_OF_RANGE.
#[tokio::test]
async fn values_far_outside_their_limit() {
    let (_server, mut client, register) = serve().await;
    let value = Bytes::from(vec![1; 8 * 1024 * 1024]);
    let status = client.set(set(b"key", value)).await.unwrap_err();
    let problem = "it has more than 1310720 bytes; a value has up to 1048576";
    assert_invalid(&status, "message", problem);
    assert_eq!(register.calls.count(), 0);
    // The connection goes on.
    client.set(set(b"key", Bytes::new())).await.unwrap();
}

#[tokio::test]
async fn messages_of_another_interface() {
    let (server, _, register) = serve().await;
    let mut grpc = tonic::client::Grpc::new(server.channel());
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/quorate.v1.Register/Set");
    // Field 1 as a number instead of bytes.
    let codec = tonic_prost::ProstCodec::<v1::Epoch, v1::SetResponse>::default();
    let message = v1::Epoch {
        recovery: 5,
        number: 5,
    };
    let status = grpc
        .unary(Request::new(message), path, codec)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(
        status
            .message()
            .starts_with("message: it is not one of this interface"),
        "{status:?}"
    );
    assert_eq!(register.calls.count(), 0);
}

#[tokio::test]
async fn timeouts_that_are_none() {
    let (_server, mut client, register) = serve().await;
    let mut request = Request::new(v1::GetRequest { key: "key".into() });
    request
        .metadata_mut()
        .insert("grpc-timeout", "soon".parse().unwrap());
    let status = client.get(request).await.unwrap_err();
    let problem = "it is 1 to 8 digits and one of H, M, S, m, u, n; not \"soon\"";
    assert_invalid(&status, "grpc-timeout", problem);
    assert_eq!(register.calls.count(), 0);
}

#[tokio::test]
async fn writes_that_arrive_as_retries() {
    let (_server, mut client, register) = serve().await;
    for (header, value) in [
        ("grpc-previous-rpc-attempts", "1"),
        ("x-envoy-attempt-count", "2"),
    ] {
        let retry = |message| {
            let mut request = Request::new(message);
            request
                .metadata_mut()
                .insert(header, value.parse().unwrap());
            request
        };
        let status = client
            .set(retry(set(b"key", Bytes::new())))
            .await
            .unwrap_err();
        let message = format!(
            "{header} is \"{value}\": a Set or Delete is never repeated, since that is a second write"
        );
        assert_reads(
            &status,
            Code::Unknown,
            &message,
            "RETRY_REFUSED",
            "MAYBE",
            None,
        );

        let mut delete = Request::new(v1::DeleteRequest { key: "key".into() });
        delete.metadata_mut().insert(header, value.parse().unwrap());
        let status = client.delete(delete).await.unwrap_err();
        assert_reads(
            &status,
            Code::Unknown,
            &message,
            "RETRY_REFUSED",
            "MAYBE",
            None,
        );
        assert_eq!(register.calls.count(), 0);

        let mut get = Request::new(v1::GetRequest { key: "key".into() });
        get.metadata_mut().insert(header, value.parse().unwrap());
        client.get(get).await.expect("a Get may be repeated");
        register
            .calls
            .begun
            .store(0, std::sync::atomic::Ordering::SeqCst);
    }
}

#[tokio::test]
async fn too_many_connections() {
    let register = Arc::new(MemoryRegister::default());
    let options = ServerOptions {
        max_connections: 2,
        ..ServerOptions::default()
    };
    let server = Server::register_with(register, options).await;
    let get = || v1::GetRequest { key: "key".into() };
    let mut first = RegisterClient::new(server.channel());
    let mut second = RegisterClient::new(server.channel());
    first.get(get()).await.unwrap();
    second.get(get()).await.unwrap();
    assert_eq!(
        (server.connections.open(), server.connections.limit()),
        (2, 2)
    );

    for _ in 0..10 {
        let mut third = RegisterClient::new(server.channel());
        let status = third.get(get()).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        let error = quorate_proto::error::from_status(
            &status,
            quorate_proto::error::Call::Read,
            quorate_proto::error::Sent::Something,
        );
        let told = "this server has its 2 connections; try another one or later";
        assert!(error.message.contains(told), "{error}");
        assert!(error.is_retryable());
    }
    assert_eq!(server.connections.open(), 2);
    first.get(get()).await.unwrap();

    drop(second);
    eventually(|| server.connections.open() < 2).await;
    let mut third = RegisterClient::new(server.channel());
    third.get(get()).await.expect("there is room again");
}

#[tokio::test]
async fn calls_beyond_a_connections_streams_wait() {
    let register = Arc::new(MemoryRegister::default());
    let options = ServerOptions {
        max_streams: 3,
        ..ServerOptions::default()
    };
    let server = Server::register_with(register.clone(), options).await;
    let client = RegisterClient::new(server.channel());
    // Before the server's settings are known a client may open more.
    client
        .clone()
        .get(v1::GetRequest { key: "key".into() })
        .await
        .unwrap();
    let calls: Vec<_> = (0..12)
        .map(|_| {
            let mut client = client.clone();
            let hang = v1::GetRequest { key: "hang".into() };
            tokio::spawn(async move { client.get(hang).await })
        })
        .collect();
    register.calls.running(3).await;
    // Those that wait get their turn.
    for (ended, call) in calls.iter().enumerate() {
        call.abort();
        register.calls.running(3.min(11 - ended)).await;
    }
    register.calls.running(0).await;
    assert_eq!(register.calls.most(), 3);
}

/// What the service refused by itself.
#[derive(Default)]
struct Refused(Mutex<Vec<(&'static str, Reason)>>);

impl RefusalObserver for Refused {
    fn refused(&self, operation: &'static str, error: &OperationError) {
        self.0.lock().unwrap().push((operation, error.reason));
    }
}

#[tokio::test]
async fn too_many_calls() {
    let register = Arc::new(MemoryRegister::default());
    let refused = Arc::new(Refused::default());
    let service = RegisterService::new(register.clone(), register.clone(), Limits::default())
        .observed_by(refused.clone());
    let routes = Routes::new(service.into_server().max_calls(2));
    let server = Server::start(routes, ServerOptions::default()).await;
    let client = RegisterClient::new(server.channel());
    let hanging: Vec<_> = (0..2)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.set(set(b"hang", Bytes::new())).await })
        })
        .collect();
    register.calls.running(2).await;
    let mut other = RegisterClient::new(server.channel());
    let status = other.set(set(b"key", Bytes::new())).await.unwrap_err();
    let message = "this coordinator has its 2 calls open";
    assert_reads(
        &status,
        Code::ResourceExhausted,
        message,
        "OVERLOADED",
        "NO",
        None,
    );
    let retry = status.get_details_retry_info().unwrap().retry_delay;
    assert!(retry.is_some_and(|delay| !delay.is_zero()));
    // A status is no operation, and what the register was asked it counts itself.
    other.status(v1::StatusRequest {}).await.unwrap_err();
    assert_eq!(*refused.0.lock().unwrap(), [("set", Reason::Overloaded)]);
    for call in &hanging {
        call.abort();
    }
    register.calls.running(0).await;
    other
        .set(set(b"key", Bytes::new()))
        .await
        .expect("there is room again");
}

/// A client that connects and says nothing does not keep its place, nor does one that begins
/// to speak and then vanishes: it does not answer pings.
#[tokio::test]
async fn a_silent_connection_is_closed() {
    let register = Arc::new(MemoryRegister::default());
    let options = ServerOptions {
        keep_alive_interval: Duration::from_millis(50),
        keep_alive_timeout: Duration::from_millis(50),
        ..ServerOptions::default()
    };
    let server = Server::register_with(register, options).await;
    let greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for said in [&greeting[..0], &greeting[..10], greeting] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        let _ = closed.expect("the server closes it");
        eventually(|| server.connections.open() == 0).await;
    }
    assert_eq!(server.connections.accepted(), 3);
}
