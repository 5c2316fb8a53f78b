//! Drawing the settings of a run.

use quorate_coordinator::reconfiguration::{ReconfigurationOptions, TransferOptions};
use quorate_coordinator::repair::RepairOptions;
use quorate_coordinator::{Backoff, QuorumOptions};
use quorate_replica::CommitLimits;
use quorate_workload::{Abandon, KeyDistribution, Mix, Workload};

use super::{FaultSettings, Lags, Scenario, Settings, Weather};
use crate::faults::FaultKind;
use crate::random::Random;

impl Settings {
    /// The run of a seed.
    pub fn of(seed: u64) -> Self {
        let random = Random::new(seed, "settings");
        let (spare, changes) = changes(&Random::new(seed, "changes"));
        Self {
            seed,
            scenario: Scenario::Any,
            replicas: random.pick(&[3, 3, 3, 3, 3, 3, 5, 5, 4, 2, 1]),
            spare,
            changes,
            coordinators: random.pick(&[1, 2, 2, 3]),
            // Exchanges are what a release uses; plain calls are lost, doubled and overtaken
            // each by itself, which shows other orders of events.
            exchanges: Random::new(seed, "exchanges").chance(0.5),
            clients: random.pick(&[3, 4, 5, 8]),
            operations: random.number(60..=150),
            workload: workload(&random),
            client_timeout: random.milliseconds(60..=900),
            abandon: random.chance(0.6).then(|| Abandon {
                share: random.pick(&[0.05, 0.2, 0.4]),
                within: random.milliseconds(20..=200),
            }),
            quorum: QuorumOptions {
                attempt_timeout: random.milliseconds(20..=200),
                shortest_attempt_timeout: Random::new(seed, "patience").milliseconds(1..=50),
                backoff: Backoff {
                    first: random.milliseconds(1..=20),
                    most: random.milliseconds(20..=100),
                },
                background_writes: random.pick(&[0, 1, 4, 4096]),
                background_timeout: random.milliseconds(20..=500),
                ..QuorumOptions::default()
            },
            operations_in_flight: random.pick(&[3, 10_000, 10_000]),
            repair: repair(seed),
            boots_counted: boots_counted(seed),
            find_limit: random.milliseconds(100..=300),
            commit: CommitLimits {
                queued_entries: random.pick(&[4, 16_384, 16_384]),
                batch_entries: random.pick(&[1, 2, 1024, 1024]),
                batch_bytes: random.pick(&[1, 4 << 20, 4 << 20]),
                ..CommitLimits::default()
            },
            cached_timestamps: random.pick(&[1, 64]),
            sync_ms: 0..=random.pick(&[0, 2, 10, 40]),
            weather: weather(&random),
            lags: None,
            faults: fault_settings(seed, &random),
        }
    }
}

impl Settings {
    /// The run of a seed in which members change all the time, of small groups and with little else
    /// in the way: for what shows in a joint config, or at its end, only.
    pub fn changing(seed: u64) -> Self {
        let random = Random::new(seed, "changing");
        let mut changes = change_options(&random);
        changes.abort_after = random.milliseconds(20..=300);
        changes.transfer.page_bytes = 1;
        let beside = [
            FaultKind::CrashReplica,
            FaultKind::PauseReplica,
            FaultKind::PauseCoordinator,
            FaultKind::CutLink,
            FaultKind::IsolateReplica,
            FaultKind::Partition,
            FaultKind::RollBackConfig,
        ];
        let beside = beside.into_iter().filter(|_| random.chance(0.4));
        let base = Self::of(seed);
        Self {
            scenario: Scenario::Changing,
            replicas: random.pick(&[1, 1, 2, 3]),
            spare: 2,
            changes: Some(changes),
            coordinators: random.pick(&[2, 3]),
            client_timeout: random.milliseconds(300..=900),
            repair: base.repair.filter(|_| random.chance(0.3)),
            boots_counted: false,
            faults: FaultSettings {
                kinds: [FaultKind::ChangeSize].into_iter().chain(beside).collect(),
                every_ms: 1..=random.pick(&[20, 60]),
                lasts_ms: 5..=random.pick(&[60, 200, 600]),
                from_the_start: false,
            },
            ..base
        }
    }
}

impl Settings {
    /// The run of a seed in which members change and some requests lag: for windows that are too
    /// narrow for chance.
    pub fn lagging(seed: u64) -> Self {
        let random = Random::new(seed, "lags");
        Self {
            scenario: Scenario::Lagging,
            replicas: 3,
            // So that each request is carried out by itself, and may lag.
            exchanges: false,
            lags: Some(Lags {
                share: random.pick(&[0.2, 0.4]),
                most_ms: random.pick(&[50, 150, 400]),
            }),
            ..Self::changing(seed)
        }
    }
}

/// Half of the runs change their members, as fast as nobody would.
fn changes(random: &Random) -> (usize, Option<ReconfigurationOptions>) {
    if random.chance(0.5) {
        return (0, None);
    }
    let options = change_options(random);
    (random.pick(&[0, 1, 2, 2]), Some(options))
}

fn change_options(random: &Random) -> ReconfigurationOptions {
    ReconfigurationOptions {
        interval: random.milliseconds(5..=50),
        swap_delay: random.milliseconds(0..=200),
        abort_after: random.milliseconds(50..=1000),
        probe_limit: random.milliseconds(50..=300),
        minimum: 1,
        transfer: TransferOptions {
            ranges: random.pick(&[1, 1, 3]),
            page_bytes: random.pick(&[1, 20, 4096]),
            request_timeout: random.milliseconds(50..=500),
            share: 0.5,
        },
    }
}

/// With times so short that rounds meet faults and writes.
fn repair(seed: u64) -> Option<RepairOptions> {
    let random = Random::new(seed, "repair");
    random.chance(0.35).then(|| RepairOptions {
        interval: random.milliseconds(10..=200),
        second_look: random.milliseconds(0..=50),
        page_bytes: random.pick(&[1, 20, 100_000]),
        ranges: random.pick(&[1, 4]),
        rate: random.pick(&[20, 1_000_000]),
        busy_rate: random.pick(&[20, 1_000_000]),
        request_timeout: random.milliseconds(20..=300),
    })
}

fn workload(random: &Random) -> Workload {
    let keys = random.pick(&[1, 1, 2, 3]);
    let hot = KeyDistribution::Hot {
        keys: 1,
        share: 0.8,
    };
    Workload {
        keys,
        key_prefix: "k".into(),
        distribution: match keys > 1 && random.chance(0.5) {
            true => hot,
            false => KeyDistribution::Uniform,
        },
        mix: Mix {
            get: random.pick(&[30, 50, 80]),
            set: random.pick(&[20, 40]),
            delete: random.pick(&[0, 0, 5, 15]),
        },
        value_bytes: 1..=12,
    }
}

fn weather(random: &Random) -> Weather {
    Weather {
        usual_ms: random.pick(&[1, 4, 4, 15, 40]),
        slow: random.pick(&[0.0, 0.02, 0.1]),
        slow_ms: random.number(50..=400),
        lost: random.pick(&[0.0, 0.0, 0.02, 0.1, 0.2]),
        duplicated: random.pick(&[0.0, 0.02, 0.2]),
        cancelled: random.pick(&[0.0, 0.5, 1.0]),
    }
}

/// In a third of the runs; half of these see old copies of disks.
fn boots_counted(seed: u64) -> bool {
    Random::new(seed, "boots").chance(0.35)
}

fn fault_settings(seed: u64, random: &Random) -> FaultSettings {
    let share = random.pick(&[0.0, 0.3, 0.5, 0.8]);
    let drawn = FaultKind::ALL.iter().copied();
    let drawn = drawn.filter(|kind| *kind != FaultKind::RestoreDisk);
    let mut kinds: Vec<_> = drawn.filter(|_| random.chance(share)).collect();
    if boots_counted(seed) && Random::new(seed, "old disks").chance(0.5) {
        kinds.push(FaultKind::RestoreDisk);
    }
    FaultSettings {
        kinds,
        every_ms: 1..=random.pick(&[40, 120, 300]),
        lasts_ms: 5..=random.pick(&[60, 200, 600]),
        from_the_start: random.chance(0.15),
    }
}
