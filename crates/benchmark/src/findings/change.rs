//! What a change of the members costs, in a store of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use quorate_register::Register;
use quorate_workload::load::{Load, Plan, Tally, fill, keys, value};
use tokio::time::{Instant, sleep};

use super::{Bound, Finding, Study};
use crate::bench::Bench;
use crate::quorate::{ClientPath, QuorateCluster, Shape};
use crate::system::{Name, System};

const MEMBERS: usize = 3;
const MORE_MEMBERS: usize = 5;
const VALUE_BYTES: usize = 100;
const SET_PERCENT: u8 = 50;
/// How many operations are in flight to find out what the store can sustain.
const IN_FLIGHT: usize = 64;

/// For how many keys the bounds are meant.
const KEYS_OF_BOUNDS: u32 = 1_000_000;
/// Keys per second that are transferred, under half load and idle.
const LEAST_UNDER_LOAD: f64 = 50_000.0;
const LEAST_IDLE: f64 = 200_000.0;
/// How many times as long as without a change the slowest hundredth of operations may take.
const MOST_TIMES: f64 = 2.0;

const TRANSFERRED: &str = "quorate_transfer_keys_total";
/// How often it is looked at how many keys were transferred.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Three members become five, under half load and then idle.
pub(super) async fn cost(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    bench.systems.wake(Name::Quorate).await?;
    let shape = Shape {
        replicas: MORE_MEMBERS,
        members: MEMBERS,
        coordinators: 1,
        scales: true,
    };
    let store = bench.systems.quorate.beside("change", shape).await?;
    store.ready().await?;
    let load = HalfLoad::on(&store, bench).await?;

    let alone = load.during(sleep(bench.extent.duration)).await?;
    let mut under_load = 0.0;
    let change = async { under_load = scaled(&store, MORE_MEMBERS).await.unwrap_or(f64::NAN) };
    let changed = load.during(change).await?;
    scaled(&store, MEMBERS).await?;
    let idle = scaled(&store, MORE_MEMBERS).await?;
    ensure!(under_load.is_finite(), "the change under load failed");

    let at_full_size = bench.extent.many_keys >= KEYS_OF_BOUNDS;
    let finding = |subject: &str, value, unit, bound, note| Finding {
        study: Study::Change.name(),
        subject: subject.to_owned(),
        value,
        unit,
        bound: at_full_size.then_some(bound),
        note,
    };
    let size = format!("{} keys of {VALUE_BYTES} bytes", bench.extent.many_keys);
    Ok(vec![
        finding(
            "3 to 5 members under half load: p99 to that without a change",
            changed / alone,
            "x",
            Bound::AtMost(MOST_TIMES),
            format!(
                "{:.1} ms to {:.1} ms, at {} operations/s",
                changed * 1e3,
                alone * 1e3,
                load.per_second
            ),
        ),
        finding(
            "keys transferred per second, under half load",
            under_load,
            "/s",
            Bound::AtLeast(LEAST_UNDER_LOAD),
            size.clone(),
        ),
        finding(
            "keys transferred per second, idle",
            idle,
            "/s",
            Bound::AtLeast(LEAST_IDLE),
            size,
        ),
    ])
}

/// Half of what a store can sustain, on all its keys alike.
struct HalfLoad {
    plan: Arc<Plan>,
    registers: Vec<Arc<dyn Register>>,
    per_second: u32,
    warmup: Duration,
}

impl HalfLoad {
    /// Writes all keys, and finds out what half the load is.
    async fn on(store: &QuorateCluster, bench: &Bench) -> anyhow::Result<Self> {
        let registers = store.connect(ClientPath::Unary, bench.connections).await?;
        let keys = keys("change-", bench.extent.many_keys as usize);
        eprintln!("change: writing {} keys", keys.len());
        fill(&registers, &keys, &value(VALUE_BYTES)).await?;
        let distribution = quorate_workload::KeyDistribution::Uniform;
        let plan = Plan::new(keys, distribution, SET_PERCENT, value(VALUE_BYTES));
        let mut half = Self {
            plan: Arc::new(plan.expect("there are keys")),
            registers,
            per_second: 0,
            warmup: bench.extent.warmup,
        };
        let load = Load::closed(half.plan.clone(), &half.registers, IN_FLIGHT);
        let (tally, elapsed) = half.measured(load, sleep(bench.extent.duration)).await?;
        let sustained = tally.operations() as f64 / elapsed.as_secs_f64();
        half.per_second = ((sustained / 2.0) as u32).max(1);
        Ok(half)
    }

    /// Seconds within which 99 of 100 operations end while this goes on.
    async fn during(&self, work: impl Future<Output = ()>) -> anyhow::Result<f64> {
        let load = Load::open(self.plan.clone(), &self.registers, self.per_second);
        let (tally, _) = self.measured(load, work).await?;
        Ok(tally.latencies().value_at_quantile(0.99) as f64 / 1e9)
    }

    /// Measures a load for as long as this goes on. No operation may fail.
    async fn measured(
        &self,
        load: Load,
        work: impl Future<Output = ()>,
    ) -> anyhow::Result<(Tally, Duration)> {
        sleep(self.warmup).await;
        load.measure();
        let began = Instant::now();
        work.await;
        let elapsed = began.elapsed();
        load.stop();
        let tally = load.finish().await;
        ensure!(tally.failures() == 0, "{:?}", tally.last_error);
        Ok((tally, elapsed))
    }
}

/// Scales the store, and returns how many keys were transferred per second, from the first to the
/// last; none is not a number.
async fn scaled(store: &QuorateCluster, members: usize) -> anyhow::Result<f64> {
    let before = transferred(store).await?;
    let mut first = None;
    let mut last = (Instant::now(), before);
    let watching = async {
        loop {
            let seen = (Instant::now(), transferred(store).await?);
            if seen.1 > last.1 {
                // It began after the look before.
                first.get_or_insert(last);
                last = seen;
            } else if first.is_none() {
                last = seen;
            }
            sleep(LOOK_PAUSE).await;
        }
    };
    tokio::select! {
        result = store.scale(members) => result?,
        result = watching => return result,
    }
    let end = (Instant::now(), transferred(store).await?);
    let end = if end.1 > last.1 { end } else { last };
    let (began, keys) = first.unwrap_or(last);
    let rate = (end.1 - keys) / (end.0 - began).as_secs_f64();
    eprintln!("change: to {members} members, {rate:.0} keys/s");
    Ok(rate)
}

async fn transferred(store: &QuorateCluster) -> anyhow::Result<f64> {
    let metrics = store.metrics().await?;
    Ok(metrics.iter().map(|one| one.value(TRANSFERRED)).sum())
}
