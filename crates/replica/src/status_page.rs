//! The status for people with a browser.

use std::time::Duration;

use async_trait::async_trait;
use quorate_register::Replica;
use quorate_runtime::admin::{Cell, StatusContent, StatusPage, Tone};

use crate::{ReplicaHost, Store};

/// A replica in this process answers at once.
const LIMIT: Duration = Duration::from_secs(2);

#[async_trait]
impl<S: Store> StatusPage for ReplicaHost<S> {
    async fn content(&self) -> StatusContent {
        let identity = match self.identify(LIMIT).await {
            Ok(identity) => identity,
            Err(error) => {
                return StatusContent {
                    headline: Cell::new(error.to_string(), Tone::Bad),
                    ..StatusContent::default()
                };
            }
        };
        let headline = if !identity.admitted {
            let text = "serves nothing: it waits until a coordinator admits its boot";
            Cell::new(text, Tone::Bad)
        } else if identity.disk_full {
            Cell::new("read-only: its disk is nearly full", Tone::Bad)
        } else if identity.config.is_none() {
            Cell::new("waits for its first config", Tone::Warning)
        } else {
            Cell::new("serves", Tone::Good)
        };
        let mut facts = vec![
            ("Pod", Cell::plain(identity.pod)),
            ("Replica id", Cell::plain(identity.replica_id.to_string())),
        ];
        if let Some(cluster) = identity.cluster_id {
            facts.push(("Cluster", Cell::plain(cluster.to_string())));
        }
        if let Some(held) = identity.config {
            let active = if held.active {
                "active"
            } else {
                "not active yet"
            };
            let epoch = held.config.epoch();
            facts.extend([
                ("Config", Cell::plain(held.config.id().to_string())),
                ("Epoch", Cell::plain(format!("{epoch}, {active}"))),
            ]);
        }
        facts.push(("Keys", Cell::plain(identity.keys.to_string())));
        if let Some(volume) = identity.boots.volume {
            facts.push(("Volume", Cell::plain(volume)));
        }
        StatusContent {
            headline,
            facts,
            tables: Vec::new(),
        }
    }
}
