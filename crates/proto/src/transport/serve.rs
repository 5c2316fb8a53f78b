//! A server from its first connection to its last.

use std::future::Future;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::{Incoming, ServerOptions, routes, server};

/// When a server goes through the phases of its end.
#[derive(Debug, Clone)]
pub struct Phases {
    /// Health says not-serving from then on; everything is still served.
    pub draining: CancellationToken,
    /// No new connections and calls from then on.
    pub stop_accepting: CancellationToken,
    /// Calls in flight are cut off then.
    pub cut: CancellationToken,
}

/// Serves a role's services, which have these full names, with reflection and health beside them,
/// until its phases are over.
///
/// # Errors
/// When the transport fails.
pub async fn serve_role(
    names: &[&str],
    services: Routes,
    listener: TcpListener,
    phases: Phases,
) -> Result<(), tonic::transport::Error> {
    let (routes, health) = routes(services, names).await;
    let options = ServerOptions::default();
    let incoming = Incoming::new(vec![listener], &options);
    health.set_serving(true).await;
    let stop = async {
        phases.draining.cancelled().await;
        health.set_serving(false).await;
        phases.stop_accepting.cancelled().await;
    };
    serve(routes, incoming, &options, stop, phases.cut).await
}

/// Serves `routes` to the connections of `incoming` until `stop` is cancelled and the calls in
/// flight have finished, or `cut` is cancelled, which ends these too.
///
/// # Errors
/// When the transport fails.
pub async fn serve(
    routes: Routes,
    incoming: Incoming,
    options: &ServerOptions,
    stop: impl Future<Output = ()>,
    cut: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let connections = incoming.connections();
    let serving = server(options)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop);
    let cutting = async {
        cut.cancelled().await;
        connections.cut();
        std::future::pending().await
    };
    tokio::select! {
        biased;
        result = serving => result,
        () = cutting => Ok(()),
    }
}
