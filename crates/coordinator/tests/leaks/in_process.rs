//! Replicas in this process, under a clock that leaps: many more delays in no time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quorate_register::Register;

use crate::support::{
    Cluster, Current, Hosts, Scripted, Seeded, Stage, Trigger, alone, chaos, options,
};

const OPERATIONS: u64 = 10_000;

/// The replicas' tasks.
struct Tasks(Vec<Arc<Scripted>>);

#[async_trait]
impl Hosts for Tasks {
    async fn kill(&self, replica: usize) {
        self.0[replica].kill();
    }

    async fn revive(&self, replica: usize) {
        self.0[replica].revive();
    }

    fn open_calls(&self) -> Vec<usize> {
        Vec::new()
    }

    async fn settle(&self) {}
}

fn in_process(trigger: Trigger, seed: u64) {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut options = options();
        options.quorum.attempt_timeout = Duration::from_millis(30);
        options.quorum.background_timeout = Duration::from_millis(200);
        options.quorum.background_writes = 64;
        let cluster = Cluster::with(3, 3, options.clone()).await;
        let replicas = cluster.replicas.clone();
        for replica in &replicas {
            replica.forget();
            replica.disk.set_sync_duration(Duration::from_micros(300));
        }
        let current = Arc::new(Current::new(cluster, options));
        let stage = Stage {
            register: current.clone() as Arc<dyn Register>,
            current,
            hosts: Arc::new(Tasks(replicas.clone())),
            replicas,
            random: Seeded::new(seed),
            clients: 200,
            pace: Duration::from_millis(10),
        };
        chaos(&stage, trigger, OPERATIONS).await;
    });
}

#[test]
fn nothing_outlives_a_gathered_quorum() {
    in_process(Trigger::Quorum, 1);
}

#[test]
fn nothing_outlives_the_deadline() {
    in_process(Trigger::Deadline, 2);
}

#[test]
fn nothing_outlives_a_client_that_left() {
    in_process(Trigger::Dropped, 3);
}

#[test]
fn nothing_outlives_a_stop() {
    in_process(Trigger::Stopped, 4);
}
