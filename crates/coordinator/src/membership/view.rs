//! A config with its members at hand.

use std::sync::Arc;

use quorate_register::{Config, Fence, Replica};

use super::Directory;
use crate::metrics::{CoordinatorMetrics, MemberSeries};
use crate::quorum::Patience;

/// One member of a config, ready to be asked.
pub struct Target {
    /// The pod's name.
    pub pod: Arc<str>,
    /// What every request to it carries under this config.
    pub fence: Fence,
    /// The replica.
    pub replica: Arc<dyn Replica>,
    pub(crate) metrics: MemberSeries,
    pub(crate) patience: Patience,
}

/// A config proven active, with a [`Target`] per member in the order of [`Config::members`].
pub struct View {
    config: Arc<Config>,
    targets: Vec<Target>,
}

impl View {
    pub(crate) fn new(
        config: Arc<Config>,
        directory: &dyn Directory,
        metrics: &CoordinatorMetrics,
    ) -> Self {
        let target = |member: &quorate_register::Member| Target {
            pod: member.pod.as_str().into(),
            fence: Fence::new(&config, member.replica_id),
            replica: directory.replica(member),
            metrics: metrics.member(&member.pod),
            patience: Patience::default(),
        };
        let targets = config.members().iter().map(target).collect();
        Self { config, targets }
    }

    /// The config.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The member with this index.
    pub fn target(&self, member: usize) -> &Target {
        &self.targets[member]
    }

    /// All members.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }
}
