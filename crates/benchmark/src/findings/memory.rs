//! How much memory the roles take.

use std::time::Duration;

use anyhow::ensure;
use quorate_workload::load::Load;
use tokio::time::sleep;

use super::{Bound, Finding, Study};
use crate::bench::Bench;
use crate::cell::{MOSTLY_GETS, SETS};
use crate::proc_fs::resident_bytes;
use crate::quorate::ClientPath;
use crate::system::{Name, System, eventually};

/// As many as a coordinator takes by default.
const IN_FLIGHT: usize = 10_000;
/// A coordinator serves at most 1024 calls at once on one connection.
const CONNECTIONS: usize = 16;
const IN_FLIGHT_SERIES: &str = "quorate_operations_in_flight";

/// For how many keys the bound of a replica is meant.
const KEYS_OF_BOUND: u32 = 1_000_000;

/// How often memory is looked at while operations wait; the most counts.
const LOOKS: u32 = 20;
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// An idle coordinator, a busy one, and a full replica.
pub(super) async fn sizes(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    bench.systems.wake(Name::Quorate).await?;
    bench.fill(Name::Quorate, &MOSTLY_GETS).await?;
    let replica = full_replica(bench)?;
    // One that has not served any load yet.
    bench.systems.quorate.run_coordinators(0)?;
    bench.systems.quorate.run_coordinators(1)?;
    bench.systems.quorate.ready().await?;
    let idle = resident_bytes(bench.systems.quorate.coordinator(0).id())?;
    let busy = busy_coordinator(bench).await?;
    let usual = bench.coordinators;
    bench.systems.quorate.run_coordinators(usual)?;
    bench.systems.quorate.ready().await?;

    let finding = |subject: String, bytes: u64, bound: Option<f64>| Finding {
        study: Study::Memory.name(),
        subject,
        value: bytes as f64 / 1e6,
        unit: "MB",
        bound: bound.map(Bound::AtMost),
        note: "resident".into(),
    };
    let keys = bench.extent.many_keys;
    let replica_bound = (keys >= KEYS_OF_BOUND).then_some(300.0);
    Ok(vec![
        finding("coordinator, idle".into(), idle, Some(15.0)),
        finding(
            format!("coordinator, {IN_FLIGHT} in flight"),
            busy,
            Some(100.0),
        ),
        finding(format!("replica, {keys} keys"), replica, replica_bound),
    ])
}

/// That of the largest.
fn full_replica(bench: &Bench) -> anyhow::Result<u64> {
    let mut most = 0;
    for replica in bench.systems.quorate.replicas() {
        most = most.max(resident_bytes(replica.id())?);
    }
    Ok(most)
}

/// Without two replicas no operation ends before its deadline, so that all are in flight.
async fn busy_coordinator(bench: &mut Bench) -> anyhow::Result<u64> {
    let plan = bench.plan(&SETS);
    let quorate = &mut bench.systems.quorate;
    let registers = quorate.connect(ClientPath::Unary, CONNECTIONS).await?;
    for number in [0, 1] {
        quorate.replica(number).pause()?;
    }
    let load = Load::closed(plan, &registers, IN_FLIGHT);
    let coordinator = quorate.coordinator(0).id();
    let all_in_flight = async || {
        let metrics = quorate.metrics().await?;
        let in_flight: f64 = metrics.iter().map(|one| one.value(IN_FLIGHT_SERIES)).sum();
        ensure!(
            in_flight >= IN_FLIGHT as f64,
            "only {in_flight} operations are in flight"
        );
        Ok(())
    };
    eventually(quorate, all_in_flight).await?;
    let mut most = 0;
    for _ in 0..LOOKS {
        most = most.max(resident_bytes(coordinator)?);
        sleep(LOOK_PAUSE).await;
    }
    for number in [0, 1] {
        quorate.replica(number).resume()?;
    }
    load.finish().await;
    Ok(most)
}
