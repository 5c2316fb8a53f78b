//! Loads in virtual time: what they ask, what they count, and from when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use quorate_register::{Entry, Key, OperationError, Reason, Register, Version};
use quorate_workload::KeyDistribution;
use quorate_workload::load::{Load, Plan, fill, keys, value};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, sleep_until};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Takes a millisecond for each operation, one after the other if it is `serial`, and stalls
/// until an instant.
#[derive(Default)]
struct Slow {
    serial: Option<Mutex<()>>,
    stalls_until: Option<Instant>,
    fails: bool,
    sets: AtomicU64,
    gets: AtomicU64,
}

impl Slow {
    async fn operation(&self, count: &AtomicU64) -> Result<(), OperationError> {
        let _turn = match &self.serial {
            Some(turns) => Some(turns.lock().await),
            None => None,
        };
        if let Some(until) = self.stalls_until {
            sleep_until(until).await;
        }
        sleep(MILLISECOND).await;
        count.fetch_add(1, Ordering::Relaxed);
        match self.fails {
            true => Err(OperationError::not_applied(Reason::Overloaded, "")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Register for Slow {
    async fn get(&self, _: &Key, _: Option<Duration>) -> Result<Entry, OperationError> {
        self.operation(&self.gets).await.map(|()| Entry {
            value: None,
            version: Version::NEVER,
        })
    }

    async fn set(&self, _: &Key, _: Bytes, _: Option<Duration>) -> Result<Version, OperationError> {
        self.operation(&self.sets).await.map(|()| Version::NEVER)
    }

    async fn delete(&self, _: &Key, _: Option<Duration>) -> Result<Version, OperationError> {
        panic!("a load deletes nothing")
    }
}

fn plan(set_percent: u8) -> Arc<Plan> {
    let plan = Plan::new(
        keys("k", 10),
        KeyDistribution::Uniform,
        set_percent,
        value(8),
    );
    Arc::new(plan.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_closed_loop_keeps_as_many_in_flight_as_asked() {
    let slow = Arc::new(Slow::default());
    let load = Load::closed(plan(100), &[slow.clone() as Arc<dyn Register>], 7);
    sleep(SECOND / 2).await;
    load.measure();
    sleep(SECOND).await;
    load.stop();
    let tally = load.finish().await;
    assert!((6_990..7_010).contains(&tally.operations()), "{tally:?}");
    assert_eq!(tally.ended, slow.sets.load(Ordering::Relaxed));
    assert_eq!(tally.gets.len() + slow.gets.load(Ordering::Relaxed), 0);
    assert_eq!(tally.failures(), 0);
    assert!(tally.sets.max() < 2_000_000);
}

#[tokio::test(start_paused = true)]
async fn an_open_loop_counts_latencies_from_when_operations_were_due() {
    let slow = Arc::new(Slow {
        serial: Some(Mutex::default()),
        stalls_until: Some(Instant::now() + SECOND),
        ..Slow::default()
    });
    let load = Load::open(plan(50), &[slow.clone() as Arc<dyn Register>], 100);
    load.measure();
    sleep(2 * SECOND).await;
    let tally = load.finish().await;
    assert!((200..=201).contains(&tally.operations()), "{tally:?}");
    assert!(!tally.sets.is_empty() && !tally.gets.is_empty());
    // Half of all came while it stalled, evenly: of all, a quarter waited more than half of
    // it. A closed loop would have seen one slow operation.
    let latencies = tally.latencies();
    let quarter = latencies.value_at_quantile(0.75);
    assert!((450_000_000..650_000_000).contains(&quarter), "{quarter}");
    assert!(latencies.max() >= 1_000_000_000);
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_by_kind_and_are_no_latencies() {
    let failing = Slow {
        fails: true,
        ..Slow::default()
    };
    let load = Load::closed(plan(0), &[Arc::new(failing) as Arc<dyn Register>], 1);
    load.measure();
    sleep(SECOND).await;
    assert_eq!(load.completions().longest_silence(), SECOND);
    let tally = load.finish().await;
    assert_eq!(tally.operations(), 0);
    assert!(!tally.any_succeeded);
    let (kind, count) = tally.errors.first_key_value().unwrap();
    assert_eq!((kind.reason, kind.has_no_effect), ("OVERLOADED", true));
    // Each takes a millisecond, and its client rests for ten.
    assert!((85..95).contains(count), "{count}");
    assert_eq!(tally.last_error.unwrap().reason, Reason::Overloaded);
}

#[tokio::test(start_paused = true)]
async fn every_key_is_filled_once() {
    let slow = Arc::new(Slow::default());
    let registers = [slow.clone() as Arc<dyn Register>, slow.clone()];
    fill(&registers, &keys("k", 1000), &value(8)).await.unwrap();
    assert_eq!(slow.sets.load(Ordering::Relaxed), 1000);
}

#[test]
fn a_plan_has_keys_and_a_distribution_that_fits() {
    let plan = |count, distribution| Plan::new(keys("k", count), distribution, 0, value(0));
    assert!(plan(0, KeyDistribution::Uniform).is_none());
    let zipf = |exponent| KeyDistribution::Zipf { exponent };
    assert!(plan(10, zipf(-1.0)).is_none());
    assert!(plan(10, zipf(0.99)).is_some());
}
