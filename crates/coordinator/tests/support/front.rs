//! A register behind a socket on loopback, as its clients see it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_proto::transport::{ChannelOptions, Incoming, ServerOptions, channel, server};
use quorate_proto::{Limits, RegisterService, RemoteRegister, StatusSource, v1};
use quorate_register::{OperationError, Reason, Register};
use quorate_trace::Traces;

use super::listen;

/// This server is asked for no status.
struct NoStatus;

#[async_trait]
impl StatusSource for NoStatus {
    async fn status(&self, _: Duration) -> Result<v1::StatusResponse, OperationError> {
        Err(OperationError::not_applied(Reason::Internal, "none"))
    }
}

/// Serves the register on loopback and returns it as a client sees it.
pub(crate) fn front<R: Register + 'static>(register: Arc<R>) -> Arc<dyn Register> {
    let address = traced_front(register, Traces::off());
    let channel = channel(&address, &ChannelOptions::default()).unwrap();
    Arc::new(RemoteRegister::new(channel))
}

/// Serves the register on loopback, traced, and returns the address.
pub(crate) fn traced_front<R: Register + 'static>(register: Arc<R>, traces: Traces) -> String {
    let server_options = ServerOptions::default();
    let listener = listen("127.0.0.1:0".parse().unwrap());
    let incoming = Incoming::new(vec![listener], &server_options);
    let address = incoming.local_addresses().unwrap()[0].to_string();
    let service =
        RegisterService::new(register, Arc::new(NoStatus), Limits::default()).traced_by(traces);
    let serving = server(&server_options)
        .add_service(service.into_server())
        .serve_with_incoming(incoming);
    tokio::spawn(async move { serving.await.expect("serving does not fail") });
    address
}
