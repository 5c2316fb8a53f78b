//! What is alive in this process: taken before and after, it tells what was left behind.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use quorate_coordinator::LiveSnapshot;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::Scripted;

/// Everything that operations begin and must end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Census {
    /// Tasks of the runtime that are not finished.
    tasks: usize,
    /// Open descriptors of the process.
    descriptors: usize,
    /// The coordinator's own guards.
    live: LiveSnapshot,
    /// Calls that are open on each exchange, at the coordinator's end.
    open_calls: Vec<usize>,
    /// Requests that each replica is working on.
    in_flight: Vec<i64>,
}

impl Census {
    pub(crate) fn take(
        live: LiveSnapshot,
        open_calls: Vec<usize>,
        replicas: &[Arc<Scripted>],
    ) -> Self {
        Self {
            tasks: Handle::current().metrics().num_alive_tasks(),
            descriptors: descriptors(),
            live,
            open_calls,
            in_flight: replicas.iter().map(|r| r.in_flight()).collect(),
        }
    }
}

/// Open descriptors of this process, and the one that lists them.
fn descriptors() -> usize {
    let listing = std::fs::read_dir("/proc/self/fd").expect("procfs is mounted");
    listing.count()
}

/// Descriptors belong to the whole process: tests that count them run one at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock()
}

/// How long a condition may take: it is met much sooner, or never.
const BOUND: Duration = Duration::from_secs(60);

/// Waits for a condition; when it is not met in time, panics with what `seen` shows.
pub(crate) async fn until<S: std::fmt::Debug>(
    what: &str,
    seen: impl FnMut() -> S,
    is_met: impl Fn(&S) -> bool,
) {
    until_within(BOUND, what, seen, is_met).await;
}

/// Waits so long for a condition.
pub(crate) async fn until_within<S: std::fmt::Debug>(
    bound: Duration,
    what: &str,
    mut seen: impl FnMut() -> S,
    is_met: impl Fn(&S) -> bool,
) {
    let begun = Instant::now();
    loop {
        let now = seen();
        if is_met(&now) {
            return;
        }
        assert!(begun.elapsed() < bound, "{what}: still {now:?}");
        sleep(Duration::from_millis(2)).await;
    }
}
