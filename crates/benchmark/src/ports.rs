//! Free ports of the loopback interface.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, ensure};

/// As many as all processes need, with those that are started later.
pub(crate) const NEEDED: u16 = 32;

/// Ports that were free a moment ago, each given to one process for good.
pub(crate) struct Ports {
    ports: Vec<u16>,
}

impl Ports {
    /// From `base` on, or any that are free.
    pub(crate) fn find(base: Option<u16>) -> anyhow::Result<Self> {
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let listeners: Vec<_> = match base {
            Some(base) => {
                ensure!(
                    base.checked_add(NEEDED).is_some(),
                    "--base-port leaves no room for {NEEDED} ports"
                );
                let ports = base..base + NEEDED;
                let bound = ports.map(|port| bind(port).with_context(|| format!("port {port}")));
                bound.collect::<anyhow::Result<_>>()?
            }
            // All are bound at once, so that none is found twice.
            None => (0..NEEDED)
                .map(|_| bind(0).context("no free port"))
                .collect::<anyhow::Result<_>>()?,
        };
        let ports = listeners.iter().map(|listener| {
            let address = listener.local_addr();
            address.map(|address| address.port())
        });
        Ok(Self {
            ports: ports.collect::<Result<_, _>>()?,
        })
    }

    /// A free one, as `host:port`.
    pub(crate) fn address(&mut self) -> String {
        let port = self.ports.pop().expect("NEEDED counts all processes");
        format!("{}:{port}", Ipv4Addr::LOCALHOST)
    }
}
