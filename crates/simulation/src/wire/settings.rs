//! What a run over HTTP/2 is like: everything follows from its seed.

use std::ops::RangeInclusive;
use std::time::Duration;

use quorate_coordinator::{Backoff, QuorumOptions};
use quorate_proto::transport::{ChannelOptions, ServerOptions};
use quorate_workload::{KeyDistribution, Mix, Workload};

use super::WireFault;
use crate::random::Random;

/// A run before it begins.
#[derive(Debug, Clone)]
pub struct WireSettings {
    /// The number all randomness of the run follows from.
    pub seed: u64,
    /// How many replicas there are; all are members.
    pub replicas: usize,
    /// How many coordinators there are.
    pub coordinators: usize,
    /// How many clients there are; each makes one call at a time.
    pub clients: u64,
    /// Whether clients put their calls on an exchange.
    pub exchanging: bool,
    /// How many calls they make together while faults happen.
    pub operations: u64,
    /// What they ask for.
    pub workload: Workload,
    /// What each call is given as its timeout.
    pub client_timeout: Duration,
    /// How quorum calls are made.
    pub quorum: QuorumOptions,
    /// How soon a silent connection is given up, at its client.
    pub channel: ChannelOptions,
    /// How soon a silent connection is given up, at its server.
    pub server: ServerOptions,
    /// How long a message takes at most.
    pub latency: Duration,
    /// How long a sync takes.
    pub sync: Duration,
    /// The kinds of faults that happen, each alike.
    pub faults: Vec<WireFault>,
    /// How long nothing new happens between two faults, in milliseconds.
    pub every_ms: RangeInclusive<u64>,
    /// How long a fault lasts, in milliseconds.
    pub lasts_ms: RangeInclusive<u64>,
}

impl WireSettings {
    /// The run of a seed.
    pub fn of(seed: u64) -> Self {
        let random = Random::new(seed, "wire settings");
        let keep_alive_interval = random.milliseconds(50..=300);
        let keep_alive_timeout = random.milliseconds(50..=300);
        let share = random.pick(&[0.0, 0.5, 0.8, 1.0]);
        let faults = WireFault::ALL.iter().copied();
        Self {
            seed,
            replicas: 3,
            coordinators: 2,
            clients: random.pick(&[3, 4, 5]),
            exchanging: random.chance(0.5),
            operations: random.number(30..=80),
            workload: workload(&random),
            client_timeout: random.milliseconds(100..=900),
            quorum: QuorumOptions {
                attempt_timeout: random.milliseconds(30..=200),
                backoff: Backoff {
                    first: random.milliseconds(1..=20),
                    most: random.milliseconds(20..=100),
                },
                background_timeout: random.milliseconds(20..=500),
                ..QuorumOptions::default()
            },
            channel: ChannelOptions {
                connect_timeout: random.milliseconds(50..=300),
                keep_alive_interval,
                keep_alive_timeout,
                ..ChannelOptions::default()
            },
            server: ServerOptions {
                keep_alive_interval,
                keep_alive_timeout,
                ..ServerOptions::default()
            },
            latency: random.milliseconds(2..=30),
            sync: random.milliseconds(0..=10),
            faults: faults.filter(|_| random.chance(share)).collect(),
            every_ms: 1..=random.pick(&[40, 120, 300]),
            lasts_ms: 5..=random.pick(&[60, 300, 900]),
        }
    }

    /// The machines that there are while faults happen.
    pub(super) fn machines(&self) -> impl Iterator<Item = String> + use<> {
        let replicas = (0..self.replicas).map(|index| format!("r{index}"));
        let coordinators = (0..self.coordinators).map(|index| format!("c{index}"));
        let clients = (0..self.clients).map(|index| format!("client{index}"));
        replicas.chain(coordinators).chain(clients)
    }

    /// How long it takes at most, after all is healed, until every connection that lost something
    /// is given up.
    pub(super) fn silence(&self) -> Duration {
        self.channel.keep_alive_interval + self.channel.keep_alive_timeout + 4 * self.latency
    }
}

fn workload(random: &Random) -> Workload {
    Workload {
        keys: random.pick(&[1, 1, 2]),
        key_prefix: "k".into(),
        distribution: KeyDistribution::Uniform,
        mix: Mix {
            get: random.pick(&[30, 50]),
            set: random.pick(&[20, 40]),
            delete: random.pick(&[0, 10]),
        },
        // Larger than a frame of HTTP/2, now and then.
        value_bytes: 1..=random.pick(&[12, 12, 40_000]),
    }
}
