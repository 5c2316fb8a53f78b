//! Operations on an exchange, over gRPC.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use quorate_proto::transport::ServerOptions;
use quorate_proto::v1::register_client::RegisterClient;
use quorate_proto::{Limits, RefusalObserver, RegisterService, RemoteRegister, v1};
use quorate_register::{Applied, OperationError, Reason, Register};
use tonic::service::Routes;
use tonic::{Code, Request};

use crate::common::{AMPLE, MemoryRegister, Server, every_operation, key};

async fn serve(register: &Arc<MemoryRegister>) -> (Server, RemoteRegister) {
    let server = Server::register(register.clone()).await;
    let remote = RemoteRegister::exchanging(server.channel());
    (server, remote)
}

#[tokio::test]
async fn every_operation_is_carried() {
    let register = Arc::new(MemoryRegister::default());
    let (server, remote) = serve(&register).await;
    every_operation(&remote).await;
    assert_eq!(server.connections.accepted(), 1);
}

#[tokio::test]
async fn many_at_once_of_all_sizes_are_answered() {
    let register = Arc::new(MemoryRegister::default());
    let (_server, remote) = serve(&register).await;
    let operations = (0..3000_usize).map(|number| {
        let remote = remote.clone();
        async move {
            let key = key(&format!("key {number}"));
            let length = if number % 500 == 0 { 200_000 } else { 20 };
            let value = Bytes::from(vec![number as u8; length]);
            remote.set(&key, value.clone(), AMPLE).await.unwrap();
            let entry = remote.get(&key, AMPLE).await.unwrap();
            assert_eq!(entry.value, Some(value));
        }
    });
    join_all(operations).await;
}

#[tokio::test]
async fn errors_arrive_as_they_are() {
    let register = Arc::new(MemoryRegister::default());
    let (_server, remote) = serve(&register).await;
    let mut error = OperationError::unknown(Reason::NoQuorum, "needed 2, received 1");
    error.details.insert("needed".into(), "2".into());
    error.details.insert("cause/a".into(), "unreachable".into());
    error.retry_after = Some(Duration::from_millis(250));
    *register.fail.lock().unwrap() = Some(error.clone());
    let answered = remote.set(&key("a"), "v".into(), AMPLE).await;
    assert_eq!(answered, Err(error.clone()));
    error.applied = Applied::No;
    *register.fail.lock().unwrap() = Some(error.clone());
    assert_eq!(remote.get(&key("a"), AMPLE).await, Err(error));
}

#[tokio::test]
async fn the_timeout_is_carried_and_ends_the_operation_everywhere() {
    let register = Arc::new(MemoryRegister::default());
    let (_server, remote) = serve(&register).await;
    let timeout = Duration::from_millis(300);
    let hang = key("hang");
    let error = remote.set(&hang, "v".into(), Some(timeout)).await;
    let error = error.unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::DeadlineExceeded, Applied::Maybe)
    );
    let given = register.calls.timeout.lock().unwrap().unwrap();
    assert!(given < timeout && given > timeout / 2, "{given:?}");
    let error = remote.get(&hang, Some(timeout)).await.unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::DeadlineExceeded, Applied::No)
    );
    register.calls.running(0).await;
    // What is dropped is cancelled.
    let call = tokio::spawn({
        let (remote, hang) = (remote.clone(), hang.clone());
        async move { remote.get(&hang, AMPLE).await }
    });
    register.calls.running(1).await;
    call.abort();
    register.calls.running(0).await;
}

#[tokio::test]
async fn what_was_sent_before_the_connection_broke_is_unknown() {
    let register = Arc::new(MemoryRegister::default());
    let (server, remote) = serve(&register).await;
    let call = tokio::spawn({
        let remote = remote.clone();
        async move { remote.set(&key("hang"), "v".into(), AMPLE).await }
    });
    register.calls.running(1).await;
    server.connections.cut();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(
        (error.reason, error.applied),
        (Reason::Unreachable, Applied::Maybe)
    );
}

#[derive(Default)]
struct Observer(Mutex<Vec<(&'static str, Reason)>>);

impl RefusalObserver for Observer {
    fn refused(&self, operation: &'static str, error: &OperationError) {
        self.0.lock().unwrap().push((operation, error.reason));
    }
}

#[tokio::test]
async fn what_breaks_the_interface_is_refused_by_name_and_counted() {
    let register = Arc::new(MemoryRegister::default());
    let observer = Arc::new(Observer::default());
    let service = RegisterService::new(register.clone(), register, Limits::new(10).unwrap());
    let service = service.observed_by(observer.clone()).into_server();
    let server = Server::start(Routes::new(service), ServerOptions::default()).await;
    let mut client = RegisterClient::new(server.channel());
    let call = |id, operation, key: &'static str, value: &'static str| v1::RegisterExchangeCall {
        id,
        operation,
        key: key.into(),
        value: value.into(),
        ..v1::RegisterExchangeCall::default()
    };
    let message = v1::RegisterExchangeRequest {
        calls: vec![
            call(1, 2, "", "v"),
            call(2, 2, "k", "far too long"),
            call(3, 9, "k", ""),
            call(4, 2, "k", "v"),
        ],
        cancelled: Vec::new(),
    };
    let response = client.exchange(tokio_stream::iter([message])).await;
    let answers = response.unwrap().into_inner().message().await;
    let answers = answers.unwrap().unwrap().answers;
    let said = |answer: &v1::RegisterExchangeAnswer| match &answer.answer {
        Some(v1::register_exchange_answer::Answer::Failure(failure)) => failure.message.clone(),
        other => format!("{other:?}").chars().take(13).collect(),
    };
    let said: Vec<_> = answers.iter().map(said).collect();
    assert!(said[0].starts_with("key: it is empty"), "{said:?}");
    assert!(said[1].starts_with("value: it has 12 bytes"), "{said:?}");
    assert!(said[2].starts_with("operation: 9 "), "{said:?}");
    assert_eq!(said[3], "Some(Version(");
    let refused = [("set", Reason::InvalidArgument); 2];
    assert_eq!(*observer.0.lock().unwrap(), refused);
}

/// What a coordinator does not say about an operation is not known.
#[test]
fn a_failure_that_says_nothing_is_an_unknown_outcome() {
    assert!(!v1::Failure::default().not_applied);
}

/// Something on the way that opens a stream again and sends on it what it sent before would
/// make second writes.
#[tokio::test]
async fn a_stream_that_is_a_retry_is_refused() {
    let register = Arc::new(MemoryRegister::default());
    let server = Server::register(register.clone()).await;
    let mut client = RegisterClient::new(server.channel());
    let mut request = Request::new(tokio_stream::pending());
    let attempts = "1".parse().unwrap();
    request
        .metadata_mut()
        .insert("grpc-previous-rpc-attempts", attempts);
    let status = client.exchange(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    assert!(status.message().contains("grpc-previous-rpc-attempts"));
    assert_eq!(register.calls.count(), 0);
}
