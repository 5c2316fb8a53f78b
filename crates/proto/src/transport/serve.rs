//! A server from its first connection to its last.

use std::future::Future;
use std::io;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{self, FutureExt};
use futures::sink::SinkExt;
use futures::stream::StreamExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use super::{Accepted, Connections, Incoming, ServerOptions, routes, server};

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

const OBSERVE_INTERVAL: Duration = Duration::from_secs(1);

/// Serves a role's services, which have these full names, with reflection and health beside them,
/// within these limits, until its phases are over. Its connections are shown to `observe` each
/// second.
///
/// # Errors
/// When the transport fails.
pub async fn serve_role(
    names: &[&str],
    services: Routes,
    listener: TcpListener,
    options: &ServerOptions,
    phases: Phases,
    observe: impl Fn(&Connections),
) -> Result<(), tonic::transport::Error> {
    let incoming = Incoming::new(vec![listener], options);
    let connections = incoming.connections();
    let observing = async {
        loop {
            observe(&connections);
            tokio::time::sleep(OBSERVE_INTERVAL).await;
        }
    };
    let (routes, health) = routes(services, names).await;
    health.set_serving(true).await;
    let stop = async {
        phases.draining.cancelled().await;
        health.set_serving(false).await;
        phases.stop_accepting.cancelled().await;
    };
    tokio::select! {
        served = serve(routes, incoming, options, stop, phases.cut) => served,
        () = observing => unreachable!("it goes on for ever"),
    }
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
    let stop = stop.shared();
    // All connections of one of tonic's servers have the same age.
    let ages: Vec<_> = match options.max_connection_age {
        Some(age) => age.spread().map(Some).collect(),
        None => vec![None],
    };
    let (lanes, servers): (Vec<_>, Vec<_>) = ages
        .into_iter()
        .map(|age| {
            let (lane, dealt) = mpsc::channel(0);
            let dealt = dealt.map(move |one: Accepted| io::Result::Ok(one.aging(age)));
            let options = ServerOptions {
                max_connection_age: age,
                ..*options
            };
            let server = server(&options)
                .add_routes(routes.clone())
                .serve_with_incoming_shutdown(dealt, stop.clone());
            (lane, server)
        })
        .unzip();
    let dealing = async {
        tokio::select! {
            () = stop => {}
            () = deal(incoming, lanes) => {}
        }
        Ok(())
    };
    let serving = future::try_join(future::try_join_all(servers), dealing);
    let cutting = async {
        cut.cancelled().await;
        connections.cut();
        std::future::pending().await
    };
    tokio::select! {
        biased;
        result = serving => result.map(drop),
        () = cutting => Ok(()),
    }
}

/// Gives connections to the lanes in turn.
async fn deal(mut incoming: Incoming, mut lanes: Vec<mpsc::Sender<Accepted>>) {
    let mut next = 0;
    while let Some(connection) = incoming.next().await {
        let Ok(connection) = connection else { continue };
        // It is refused by a lane that ended, and so closed.
        let _ = lanes[next].send(connection).await;
        next = (next + 1) % lanes.len();
    }
}
