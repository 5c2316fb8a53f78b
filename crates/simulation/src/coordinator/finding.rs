//! How a coordinator that starts comes to its config.

use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator::Coordinator;
use quorate_coordinator::membership::{
    FixedDirectory, LoadProblem, RecoverError, bootstrap, load, recover,
};
use quorate_proto::{ExchangedReplica, Limits};

use super::CoordinatorHost;
use crate::replica::{SimulatedReplica, SimulatedStream};

impl CoordinatorHost {
    /// Where the replicas are: each behind a link of this coordinator's own.
    pub(super) fn directory(&self) -> FixedDirectory {
        self.directory_of(self.surroundings.replicas.len())
    }

    /// The first `count` of them.
    fn directory_of(&self, count: usize) -> FixedDirectory {
        let links = self.surroundings.replicas.iter().take(count);
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

    /// Makes a lost config anew, as a person asks for it.
    pub(crate) async fn recover(&self) -> Result<(), RecoverError> {
        let directory = self.directory();
        let limit = Duration::from_secs(1);
        let object = &*self.surroundings.object;
        let recovered = recover(&directory, object, &*self.entropy, limit, false).await?;
        let epoch = recovered.config.epoch();
        self.note(
            "recovered",
            &format!("the config is made anew at epoch {epoch}"),
        );
        Ok(())
    }

    /// Loads the config, or makes the first one, trying until it succeeds.
    pub(super) async fn find_config(&self, coordinator: &Coordinator) {
        let membership = coordinator.membership();
        let first = self.directory_of(self.first_members);
        let object = Some(&*self.surroundings.object as _);
        loop {
            let problem = match load(membership, object, self.find_limit).await {
                Ok(()) => break,
                Err(problem) => problem,
            };
            self.note("config not found", &problem);
            if let LoadProblem::NoConfig { .. } = problem {
                match bootstrap(&first, object, &*self.entropy, self.find_limit).await {
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
