//! How a coordinator that starts comes to its config.

use std::sync::Arc;

use quorate_coordinator::Coordinator;
use quorate_coordinator::membership::{Directory, FixedDirectory, LoadProblem, bootstrap, load};
use quorate_proto::{ExchangedReplica, Limits};

use super::CoordinatorHost;
use crate::replica::{SimulatedReplica, SimulatedStream};

impl CoordinatorHost {
    /// Where the replicas are: each behind a link of this coordinator's own.
    pub(super) fn directory(&self) -> FixedDirectory {
        let links = self.surroundings.replicas.iter();
        links.fold(FixedDirectory::default(), |directory, (pod, link)| {
            let plain = SimulatedReplica::new(link.clone());
            if !self.exchanges {
                return directory.with(pod, "simulated", Arc::new(plain));
            }
            let stream = SimulatedStream::new(link.clone());
            let replica = ExchangedReplica::over(stream, Arc::new(plain), Limits::default());
            directory.with(pod, "simulated", Arc::new(replica))
        })
    }

    /// Loads the config, or makes the first one, trying until it succeeds.
    pub(super) async fn find_config(&self, coordinator: &Coordinator) {
        let membership = coordinator.membership();
        let directory: &dyn Directory = &**membership.directory();
        let object = Some(&*self.surroundings.object as _);
        loop {
            let problem = match load(membership, object, self.find_limit).await {
                Ok(()) => break,
                Err(problem) => problem,
            };
            self.note("config not found", &problem);
            if let LoadProblem::NoConfig { .. } = problem {
                match bootstrap(directory, object, &*self.entropy, self.find_limit).await {
                    Ok(config) => {
                        self.note("bootstrapped", &format!("made config {}", config.id()));
                        continue;
                    }
                    Err(error) => self.note("bootstrap failed", &error),
                }
            }
            tokio::time::sleep(self.entropy.milliseconds(1..=50)).await;
        }
        self.note("config found", &"knows the config");
    }
}
