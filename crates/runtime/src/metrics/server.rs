//! The gRPC server of a role.

use prometheus::{IntCounter, IntGauge, Opts};

use super::{Registrar, registered};

/// What one server counts. Clones are the same metrics.
#[derive(Debug, Clone)]
pub struct ServerMetrics {
    connections: IntGauge,
    accepted: IntCounter,
    exchanges: IntGauge,
}

impl ServerMetrics {
    /// Registers the metrics of the server of this role; `member` is the pod of a replica, and
    /// empty for a coordinator.
    ///
    /// # Errors
    /// When the registry has metrics of that server already.
    pub fn new(
        registry: &impl Registrar,
        role: &str,
        member: &str,
    ) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| {
            let opts = Opts::new(name, help);
            opts.const_label("role", role).const_label("member", member)
        };
        Ok(Self {
            connections: registered(
                registry,
                IntGauge::with_opts(opts(
                    "quorate_connections",
                    "Connections that clients have open to the gRPC port; those of a replica are coordinators.",
                ))?,
            )?,
            accepted: registered(
                registry,
                IntCounter::with_opts(opts(
                    "quorate_connections_accepted_total",
                    "Connections to the gRPC port that were accepted. They are opened anew when a server starts and when they grow old.",
                ))?,
            )?,
            exchanges: registered(
                registry,
                IntGauge::with_opts(opts(
                    "quorate_exchanges",
                    "Open exchanges: streams that carry many calls. Each coordinator has one to each replica.",
                ))?,
            )?,
        })
    }

    /// Takes what the server has now: connections and exchanges that are open, and how many
    /// connections it ever accepted.
    pub fn observe(&self, connections: usize, accepted: u64, exchanges: usize) {
        let saturate = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.connections.set(saturate(connections));
        self.accepted
            .inc_by(accepted.saturating_sub(self.accepted.get()));
        self.exchanges.set(saturate(exchanges));
    }
}
