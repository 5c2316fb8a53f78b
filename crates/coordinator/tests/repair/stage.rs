//! A cluster with a repairer.

use std::sync::Arc;
use std::time::Duration;

use quorate_coordinator::repair::{RepairMetrics, RepairOptions, Repairer, RepairerParts};
use quorate_coordinator::{LiveCounts, Role};
use quorate_proto::StatusSource;
use quorate_register::{Key, OpId, Pair, Timestamp};
use tokio::task::JoinHandle;

use crate::support::{Cluster, Scripted};

/// A cluster of three and what repairs it.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) repairer: Arc<Repairer>,
    running: JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.running.abort();
    }
}

pub(crate) fn options() -> RepairOptions {
    RepairOptions {
        page_bytes: 2000,
        ..RepairOptions::default()
    }
}

impl Stage {
    /// One whose members all hold the keys `0..keys`, before anything is compared.
    pub(crate) async fn new(keys: u32, options: RepairOptions) -> Self {
        let cluster = Cluster::new(3).await;
        for replica in &cluster.replicas {
            for number in 0..keys {
                let (key, pair) = (key(number), pair(number, 1, true));
                replica.put(&cluster.config(), &key, &pair).await;
            }
        }
        let repairer = Arc::new(Repairer::new(RepairerParts {
            options,
            membership: cluster.membership.clone(),
            entropy: cluster.random.clone(),
            metrics: RepairMetrics::new(&cluster.registry).unwrap(),
            live: LiveCounts::default(),
        }));
        let runs = repairer.clone();
        let running = tokio::spawn(async move { runs.run().await });
        Self {
            cluster,
            repairer,
            running,
        }
    }

    pub(crate) fn replica(&self, number: usize) -> &Arc<Scripted> {
        &self.cluster.replicas[number]
    }

    /// Waits until all members are in step, in a round that begins from now on.
    pub(crate) async fn caught_up(&self) {
        let config = self.cluster.config().id();
        let waiting = self.repairer.caught_up(config);
        let waited = tokio::time::timeout(Duration::from_secs(600), waiting).await;
        waited.expect("the members should catch up");
    }

    /// A round that begins from now on has ended.
    pub(crate) async fn another_round(&self) {
        let mut status = self.repairer.status();
        let rounds = status.borrow_and_update().rounds;
        self.repairer.look_now();
        // One may have been under way.
        let ended = status.wait_for(|status| status.rounds >= rounds + 2);
        let ended = tokio::time::timeout(Duration::from_secs(600), ended).await;
        ended.expect("rounds should go on").unwrap();
    }

    pub(crate) fn pairs_read(&self) -> u64 {
        self.cluster.count("quorate_repair_pairs_read_total", &[])
    }

    pub(crate) fn copied_to(&self, pod: &str) -> u64 {
        let labels = [("member", pod)];
        self.cluster.count("quorate_repair_keys_total", &labels)
    }

    pub(crate) fn lag_of(&self, pod: &str) -> u64 {
        let labels = [("member", pod)];
        self.cluster.count("quorate_repair_lag_buckets", &labels)
    }

    /// The lags that the status of the role shows.
    pub(crate) async fn lags_shown(&self) -> Vec<Option<u64>> {
        let role = Role {
            coordinator: self.cluster.coordinator.clone(),
            repairer: Some(self.repairer.clone()),
            reconfigurer: None,
            boot_counters: None,
            volumes: None,
        };
        let status = role.status(Duration::from_secs(5)).await.unwrap();
        let members = status.members.iter();
        members.map(|member| member.lag_buckets).collect()
    }

    pub(crate) fn rounds(&self, result: &str) -> u64 {
        let labels = [("result", result)];
        self.cluster.count("quorate_repair_rounds_total", &labels)
    }

    /// All disks hold the same pairs.
    pub(crate) fn assert_equal(&self) {
        let first = self.replica(0).disk.pairs();
        for replica in &self.cluster.replicas[1..] {
            assert!(replica.disk.pairs() == first, "{}", replica.pod);
        }
    }
}

pub(crate) fn key(number: u32) -> Key {
    Key::new(format!("key {number}")).unwrap()
}

pub(crate) fn pair(number: u32, counter: u64, value: bool) -> Pair {
    let timestamp = Timestamp {
        counter,
        op_id: OpId::from_bytes([9; 16]),
        ..Timestamp::ZERO
    };
    Pair::new(&key(number), timestamp, value.then(|| "a value".into()))
}
