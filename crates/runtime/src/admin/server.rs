//! Connections: one request each, few at a time, none for long.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How many connections are served at a time. More wait in the kernel.
pub const MAX_CONNECTIONS: usize = 128;

/// How long a connection lives, from its acceptance to the last byte of the answer: nobody
/// holds one of the few by sending or reading slowly.
pub const CONNECTION_LIMIT: Duration = Duration::from_secs(10);

/// The longest request head in bytes, line and headers together.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How long to wait after a failed accept. Out of descriptors, the next fails at once too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The limits of a server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) connection_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: MAX_CONNECTIONS,
            connection_time: CONNECTION_LIMIT,
        }
    }
}

/// Serves until `stop`, then answers the requests in flight. The connections are tasks of
/// this future: dropping it aborts them.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        let has_room = connections.len() < limits.connections;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if has_room => match accepted {
                Ok((stream, _)) => {
                    let served = serve_connection(stream, router.clone(), stop.clone());
                    connections.spawn(time::timeout(limits.connection_time, served));
                }
                Err(error) => accept_failed(&error).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// A client that left before it was accepted is nobody's problem; anything else is ours.
async fn accept_failed(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    if matches!(error.kind(), ConnectionAborted | ConnectionReset) {
        return;
    }
    warn!(%error, "the admin server cannot accept a connection");
    time::sleep(ACCEPT_PAUSE).await;
}

/// Answers one request. After `stop`, a connection without a request is closed.
async fn serve_connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let mut builder = http1::Builder::new();
    // The connection as a whole has a limit, so its head needs none.
    builder.header_read_timeout(None);
    builder.max_buf_size(MAX_HEAD_BYTES).keep_alive(false);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let served = tokio::select! {
        biased;
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(%error, "an admin connection failed");
    }
}
