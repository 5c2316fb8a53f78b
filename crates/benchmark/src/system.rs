//! What both systems have in common.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use async_trait::async_trait;
use quorate_proto::transport::{self, ChannelOptions};
use quorate_register::{Key, Register};
use serde::Serialize;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use crate::etcd::EtcdCluster;
use crate::process::Process;
use crate::quorate::{ClientPath, QuorateCluster};

/// How long a system may take until it answers.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// How long to wait before it is asked again.
const READY_PAUSE: Duration = Duration::from_millis(50);
/// How many answers in a row show that a system is awake.
const READY_ANSWERS: usize = 20;
/// How long one of them may take.
const READY_ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Name {
    Quorate,
    Etcd,
}

impl Name {
    /// In the order of turns.
    pub(crate) const BOTH: [Self; 2] = [Self::Quorate, Self::Etcd];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Quorate => "quorate",
            Self::Etcd => "etcd",
        }
    }
}

/// A replicated store that runs on this machine.
#[async_trait(?Send)]
pub(crate) trait System {
    /// All its server processes.
    fn processes(&self) -> Vec<&Process>;

    /// Waits until every endpoint answers, again and again.
    async fn ready(&self) -> anyhow::Result<()>;

    /// New connections, so many, as programs make them.
    async fn connect(
        &self,
        path: ClientPath,
        connections: usize,
    ) -> anyhow::Result<Vec<Arc<dyn Register>>>;

    /// The ids of all server processes.
    fn process_ids(&self) -> Vec<u32> {
        self.processes().into_iter().map(Process::id).collect()
    }
}

/// Both, of which one is awake at any time.
pub(crate) struct Systems {
    pub(crate) quorate: QuorateCluster,
    pub(crate) etcd: EtcdCluster,
}

impl Systems {
    pub(crate) fn of(&self, name: Name) -> &dyn System {
        match name {
            Name::Quorate => &self.quorate,
            Name::Etcd => &self.etcd,
        }
    }

    /// Pauses the other system, wakes this one and waits until it answers: what idles would
    /// otherwise take processor time from what is measured.
    pub(crate) async fn wake(&self, name: Name) -> anyhow::Result<&dyn System> {
        for other in Name::BOTH.into_iter().filter(|other| *other != name) {
            for process in self.of(other).processes() {
                process.pause()?;
            }
        }
        let system = self.of(name);
        for process in system.processes() {
            process.resume()?;
        }
        system.ready().await?;
        Ok(system)
    }
}

/// Waits until all of these registers write and read, several times in a row.
pub(crate) async fn answers(
    system: &dyn System,
    registers: &[Arc<dyn Register>],
) -> anyhow::Result<()> {
    let key = Key::new("bench-ready").expect("it is short");
    eventually(system, async || {
        for _ in 0..READY_ANSWERS {
            for register in registers {
                let limit = Some(READY_ANSWER_LIMIT);
                register.set(&key, "ready".into(), limit).await?;
                register.get(&key, limit).await?;
            }
        }
        Ok(())
    })
    .await
}

/// Tries until it succeeds, for a while, unless a process of the system has ended.
pub(crate) async fn eventually<T>(
    system: &dyn System,
    attempt: impl AsyncFn() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let until = Instant::now() + READY_LIMIT;
    loop {
        let error = match attempt().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        for process in system.processes() {
            process.check()?;
        }
        if Instant::now() >= until {
            return Err(error).context("it does not answer in time");
        }
        sleep(READY_PAUSE).await;
    }
}

/// A connection to an endpoint of either system, made when it is first used. etcd hangs up on
/// clients that ping more often than it likes; nothing here is silent long enough to need it.
pub(crate) fn channel(address: &str) -> Channel {
    let options = ChannelOptions {
        keep_alive_interval: Duration::from_secs(3600),
        ..ChannelOptions::default()
    };
    transport::channel(address, &options).expect("a host and a port are an address")
}
