//! Every method of `Register` through server and client, over loopback.

mod common;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{AMPLE, MemoryRegister, MemoryReplica, PATIENCE, Server, every_operation, key};
use futures::Stream;
use quorate_proto::transport::{ChannelOptions, ServerOptions, channel, endpoint};
use quorate_proto::v1::register_server;
use quorate_proto::{Limits, RemoteRegister, v1};
use quorate_register::{Applied, Key, OperationError, Reason, Register};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming, async_trait};

async fn serve(register: &Arc<MemoryRegister>) -> (Server, RemoteRegister) {
    let server = Server::register(register.clone()).await;
    let remote = RemoteRegister::new(server.channel());
    (server, remote)
}

fn remote_at(address: SocketAddr) -> RemoteRegister {
    RemoteRegister::new(channel(&address.to_string(), &ChannelOptions::default()).unwrap())
}

/// Set and Delete of the same key, which fail alike.
async fn writes(remote: &RemoteRegister, key: &Key, timeout: Option<Duration>) -> OperationError {
    let set = remote.set(key, "value".into(), timeout).await.unwrap_err();
    let delete = remote.delete(key, timeout).await.unwrap_err();
    assert_eq!((set.applied, set.reason), (delete.applied, delete.reason));
    set
}

#[tokio::test]
async fn every_method_is_carried() {
    let register = Arc::new(MemoryRegister::default());
    let (_server, remote) = serve(&register).await;
    every_operation(&remote).await;
    let status = remote.status(AMPLE).await.unwrap();
    assert_eq!(
        (status.version.as_str(), status.epoch.as_str()),
        ("1.2.3", "1")
    );
}

#[tokio::test]
async fn every_error_is_carried() {
    let register = Arc::new(MemoryRegister::default());
    let (_server, remote) = serve(&register).await;
    for &reason in Reason::ALL {
        for applied in [Applied::No, Applied::Maybe] {
            let mut error = OperationError {
                applied,
                ..OperationError::not_applied(reason, "needed 2, received 1")
            };
            error.details.insert("received".into(), "1".into());
            error.retry_after = Some(Duration::from_millis(70));
            let fail = || *register.fail.lock().unwrap() = Some(error.clone());
            fail();
            assert_eq!(
                remote.set(&key("a"), "b".into(), AMPLE).await,
                Err(error.clone())
            );
            fail();
            assert_eq!(remote.delete(&key("a"), AMPLE).await, Err(error.clone()));
            fail();
            let read = remote.get(&key("a"), AMPLE).await.unwrap_err();
            assert_eq!((read.applied, read.reason), (Applied::No, reason));
        }
    }
}

#[tokio::test]
async fn the_register_gets_a_little_less_time_than_the_call() {
    let register = Arc::new(MemoryRegister::default());
    let (_server, remote) = serve(&register).await;
    let asked = Duration::from_secs(40);
    remote
        .set(&key("a"), "b".into(), Some(asked))
        .await
        .unwrap();
    let given = register.calls.timeout.lock().unwrap().unwrap();
    assert!(given < asked, "{given:?}");
    // Less what the call took so far, of which the test bounds nothing but the order.
    assert!(given > Duration::from_secs(10), "{given:?}");

    remote.get(&key("a"), Some(Duration::MAX)).await.unwrap();
    let given = register.calls.timeout.lock().unwrap().unwrap();
    assert!(given < Duration::from_secs(60), "{given:?}");

    remote.get(&key("a"), None).await.unwrap();
    let given = register.calls.timeout.lock().unwrap().unwrap();
    assert!(given < Duration::from_secs(10), "{given:?}");
}

#[tokio::test]
async fn a_call_ends_in_time_with_the_coordinators_own_error() {
    let register = Arc::new(MemoryRegister::default());
    let (_server, remote) = serve(&register).await;
    let timeout = Some(Duration::from_millis(300));
    let hang = key("hang");
    let error = remote.get(&hang, timeout).await.unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::DeadlineExceeded, Applied::No)
    );
    let error = writes(&remote, &hang, timeout).await;
    assert_eq!(
        (error.reason, error.applied),
        (Reason::DeadlineExceeded, Applied::Maybe)
    );
    register.calls.running(0).await;
}

/// tonic would answer CANCELLED, which proxies may retry. No client timer takes part here.
#[tokio::test]
async fn an_unknown_outcome_at_the_deadline_is_never_cancelled() {
    let register = Arc::new(MemoryRegister::default());
    let (server, _) = serve(&register).await;
    for timeout in ["0n", "1500u", "3m", "7m", "50m", "200m"] {
        let before = register.calls.count();
        let status = raw_set(server.address, timeout).await;
        let began = register.calls.count() > before;
        match status.code() {
            tonic::Code::DeadlineExceeded if began => {
                assert_eq!(details(&status)["applied"], "MAYBE");
            }
            tonic::Code::DeadlineExceeded => assert_eq!(details(&status)["applied"], "NO"),
            // Time was up before the message was there, and tonic answered.
            code => {
                assert_eq!(code, tonic::Code::Cancelled, "{timeout}: {status:?}");
                assert!(!began, "{timeout}");
            }
        }
    }
    assert!(register.calls.count() > 0, "200 ms are enough to begin");
}

/// A Set of the key `hang` by a client that sends a timeout and does not heed it.
async fn raw_set(address: SocketAddr, timeout: &str) -> Status {
    use http_body_util::{BodyExt, Full};
    use prost::Message;

    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let message = v1::SetRequest {
        key: "hang".into(),
        value: "value".into(),
    }
    .encode_to_vec();
    let mut body = vec![0];
    body.extend((message.len() as u32).to_be_bytes());
    body.extend(message);
    let request = http::Request::post("http://register/quorate.v1.Register/Set")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout)
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let answer = tokio::time::timeout(PATIENCE, sender.send_request(request));
    let answer = answer.await.unwrap().unwrap();
    let headers = answer.headers().clone();
    let collected = answer.into_body().collect().await.unwrap();
    connection.abort();
    let status = Status::from_header_map(&headers);
    status
        .or_else(|| Status::from_header_map(collected.trailers().unwrap()))
        .unwrap()
}

fn details(status: &Status) -> std::collections::HashMap<String, String> {
    use tonic_types::StatusExt;
    status
        .get_details_error_info()
        .expect("an ErrorInfo")
        .metadata
}

#[tokio::test]
async fn a_dropped_call_is_dropped_at_the_coordinator() {
    let register = Arc::new(MemoryRegister::default());
    let (_server, remote) = serve(&register).await;
    let hang = key("hang");
    let call = tokio::spawn(async move { remote.set(&hang, "b".into(), AMPLE).await });
    register.calls.running(1).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    register.calls.running(0).await;
}

#[tokio::test]
async fn a_write_that_nobody_could_receive_is_not_applied() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = writes(&remote_at(address), &key("a"), AMPLE).await;
    assert_eq!(
        (error.reason, error.applied),
        (Reason::Unreachable, Applied::No)
    );
    assert!(error.is_retryable());
    assert!(error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn a_write_that_waited_for_its_connection_in_vain_is_not_applied() {
    let connecting = endpoint("127.0.0.1:7400", &ChannelOptions::default()).unwrap();
    let never = tower::service_fn(|_: http::Uri| {
        std::future::pending::<std::io::Result<hyper_util::rt::TokioIo<tokio::net::TcpStream>>>()
    });
    let remote = RemoteRegister::new(connecting.connect_with_connector_lazy(never));
    let error = writes(&remote, &key("a"), Some(Duration::from_millis(50))).await;
    assert_eq!(
        (error.reason, error.applied),
        (Reason::DeadlineExceeded, Applied::No)
    );
}

/// Accepts connections and closes each when it has read `marker`.
async fn closing_at(marker: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut read = Vec::new();
            while !read.windows(marker.len()).any(|window| window == marker) {
                if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                    break;
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn a_write_whose_connection_broke_is_unknown() {
    let address = closing_at(b"the key").await;
    let (remote, key) = (remote_at(address), key("the key"));
    let error = writes(&remote, &key, AMPLE).await;
    assert_eq!(
        (error.reason, error.applied),
        (Reason::Unreachable, Applied::Maybe)
    );
    let error = remote.get(&key, AMPLE).await.unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::Unreachable, Applied::No)
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_write_to_a_peer_that_is_silent_is_unknown() {
    let address = closing_at(b"never said").await;
    let error = writes(
        &remote_at(address),
        &key("a"),
        Some(Duration::from_millis(100)),
    )
    .await;
    assert_eq!(
        (error.reason, error.applied),
        (Reason::DeadlineExceeded, Applied::Maybe)
    );
}

type Answered = Result<v1::RegisterExchangeResponse, Status>;

/// Something on the way that answers for a coordinator.
struct Proxy;

#[async_trait]
impl register_server::Register for Proxy {
    async fn get(&self, _: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        Err(Status::unavailable("no healthy upstream"))
    }

    async fn set(&self, _: Request<v1::SetRequest>) -> Result<Response<v1::SetResponse>, Status> {
        Err(Status::unavailable("no healthy upstream"))
    }

    async fn delete(
        &self,
        _: Request<v1::DeleteRequest>,
    ) -> Result<Response<v1::DeleteResponse>, Status> {
        Err(Status::unavailable("no healthy upstream"))
    }

    type ExchangeStream = Pin<Box<dyn Stream<Item = Answered> + Send>>;

    async fn exchange(
        &self,
        _: Request<Streaming<v1::RegisterExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        Err(Status::unavailable("no healthy upstream"))
    }

    async fn status(
        &self,
        _: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusResponse>, Status> {
        Ok(Response::new(v1::StatusResponse::default()))
    }
}

#[tokio::test]
async fn a_proxys_word_does_not_count() {
    let routes = Routes::new(register_server::RegisterServer::new(Proxy));
    let server = Server::start(routes, ServerOptions::default()).await;
    let remote = RemoteRegister::new(server.channel());
    let error = writes(&remote, &key("a"), AMPLE).await;
    assert_eq!(
        (error.reason, error.applied),
        (Reason::Unreachable, Applied::Maybe)
    );
    assert_eq!(error.message, "no healthy upstream");
    let error = remote.get(&key("a"), AMPLE).await.unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::Unreachable, Applied::No)
    );
}

/// On an exchange nobody can tell whether what was sent before the stream was refused was
/// carried out.
#[tokio::test]
async fn a_proxys_word_does_not_count_on_an_exchange_either() {
    let routes = Routes::new(register_server::RegisterServer::new(Proxy));
    let server = Server::start(routes, ServerOptions::default()).await;
    let remote = RemoteRegister::exchanging(server.channel());
    let error = remote.get(&key("a"), AMPLE).await.unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::Unreachable, Applied::No)
    );
    assert_eq!(error.message, "no healthy upstream");
    // The stream is known to be broken: this is never sent.
    let error = remote.set(&key("a"), "v".into(), AMPLE).await.unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::Unreachable, Applied::No)
    );
}

#[tokio::test]
async fn the_largest_value_passes() {
    let register = Arc::new(MemoryRegister::default());
    let (_server, remote) = serve(&register).await;
    let key = Key::new(vec![1; 1024]).unwrap();
    let value = Bytes::from(vec![2; Limits::DEFAULT_MAX_VALUE_BYTES]);
    remote.set(&key, value.clone(), AMPLE).await.unwrap();
    assert_eq!(remote.get(&key, AMPLE).await.unwrap().value, Some(value));
}

#[tokio::test]
async fn a_replica_is_no_coordinator_and_the_error_says_so() {
    let server = Server::replica(MemoryReplica::new()).await;
    let remote = RemoteRegister::new(server.channel());
    let error = remote.get(&key("key"), AMPLE).await.unwrap_err();
    assert_eq!(error.reason, Reason::Unreachable);
    let message = &error.message;
    assert!(
        message.starts_with("what answers there is no coordinator: "),
        "{message}"
    );
}
