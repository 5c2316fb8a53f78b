//! A register that stays while the coordinators behind it come and go.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use quorate_coordinator::{Coordinator, CoordinatorOptions, LiveSnapshot};
use quorate_register::{Entry, Key, OperationError, Register, Version};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::Cluster;

/// The coordinator of a cluster, which can be stopped and followed by another.
pub(crate) struct Current {
    cluster: Cluster,
    options: CoordinatorOptions,
    running: Mutex<(Arc<Coordinator>, CancellationToken)>,
}

impl Current {
    pub(crate) fn new(cluster: Cluster, options: CoordinatorOptions) -> Self {
        let running = (cluster.coordinator.clone(), cluster.stop.clone());
        Self {
            cluster,
            options,
            running: Mutex::new(running),
        }
    }

    pub(crate) fn options(&self) -> &CoordinatorOptions {
        &self.options
    }

    pub(crate) fn live(&self) -> LiveSnapshot {
        self.coordinator().live()
    }

    /// How many operations were dropped so far.
    pub(crate) fn cancelled(&self) -> u64 {
        let labels = [("outcome", "cancelled")];
        self.cluster.count("quorate_operations_total", &labels)
    }

    /// How many operations came to their second phase so far.
    pub(crate) fn write_phases(&self) -> u64 {
        let labels = [("phase", "write")];
        self.cluster
            .count("quorate_phase_duration_seconds", &labels)
    }

    /// Stops the coordinator.
    pub(crate) fn stop(&self) {
        self.running.lock().1.cancel();
    }

    /// Resolves once the stopped coordinator does nothing in the background.
    pub(crate) async fn ended(&self) {
        let coordinator = self.coordinator();
        let ended = timeout(Duration::from_secs(60), coordinator.ended()).await;
        ended.expect("the background ends with the stop token");
    }

    /// Starts the next coordinator.
    pub(crate) fn start(&self) {
        let stop = CancellationToken::new();
        let coordinator = Coordinator::new(
            self.options.clone(),
            self.cluster.membership.clone(),
            self.cluster.random.clone(),
            self.cluster.metrics.clone(),
            stop.clone(),
        );
        *self.running.lock() = (Arc::new(coordinator), stop);
    }

    fn coordinator(&self) -> Arc<Coordinator> {
        self.running.lock().0.clone()
    }
}

#[async_trait]
impl Register for Current {
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError> {
        self.coordinator().get(key, timeout).await
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.coordinator().set(key, value, timeout).await
    }

    async fn delete(
        &self,
        key: &Key,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.coordinator().delete(key, timeout).await
    }
}
