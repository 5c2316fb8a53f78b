//! HTTP for those who operate the program.
//!
//! | path | answer |
//! | --- | --- |
//! | `/` | the status page, for people: HTML that loads itself again |
//! | `/metrics` | Prometheus text |
//! | `/live` | 200 as long as the process can answer at all |
//! | `/ready` | 200, or 503 and the reason in one line; 503 from the moment of a signal to end |
//! | `/info` | JSON: name, version, git revision or null, settings |
//! | `/log-filter` | what is logged; PUT changes it until the process ends, or is answered 400 and why not |
//!
//! It must answer when the rest is in trouble, so it is plain and bounded: one request per
//! connection, a limit on the connections, and a limit on the life of each. It is not for
//! the open network: there is no authentication.

mod html;
mod page;
mod readiness;
mod routes;
mod server;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use prometheus::Registry;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use page::{Cell, StatusContent, StatusPage, StatusTable, Tone};
pub use readiness::Readiness;
pub use server::{CONNECTION_LIMIT, MAX_CONNECTIONS};

use crate::telemetry::Telemetry;
use crate::{BuildInfo, Shutdown};

/// What the admin server tells about.
#[derive(Clone)]
pub struct Admin {
    /// What was built.
    pub build: BuildInfo,
    /// The metrics of the process.
    pub registry: Registry,
    /// Whether the role can serve. When the sender is dropped its last word stays.
    pub readiness: watch::Receiver<Readiness>,
    /// The settings, without secrets: [`Parsed::settings`](crate::args::Parsed::settings).
    pub settings: Value,
    /// What the status page says of the role.
    pub status: Arc<dyn StatusPage>,
    /// The last problems, which the status page shows, and what changes the log's filter.
    pub telemetry: Telemetry,
}

impl Admin {
    /// Serves until `shutdown.cancel`, which is after the calls in flight ended, so that
    /// probes and a last scrape are answered to the end. Then requests in flight are
    /// answered. Dropping the future ends all of it at once. Spawn it on
    /// [`Shutdown::background`].
    pub async fn serve(self, listener: TcpListener, shutdown: Shutdown) {
        let router = routes::router(self, shutdown.draining);
        server::serve(listener, router, server::Limits::default(), shutdown.cancel).await;
    }
}
