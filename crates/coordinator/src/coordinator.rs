//! The register in this process.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use quorate_register::mutation::{Mutation, active};
use quorate_register::{
    Entropy, Entry, Key, OpId, OperationError, Reason, Register, Timestamp, Version, get, set,
};
use quorate_runtime::telemetry::FAILED_OPERATION;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::live::{Live, LiveCounts, LiveSnapshot};
use crate::membership::Membership;
use crate::metrics::{CoordinatorMetrics, OperationObserver, Violations};
use crate::notable::Notable;
use crate::operation::{Operation, is_canary};
use crate::outcome::{End, error};
use crate::quorum::{AttemptContext, Background, Call, Failure, GivenUp, Progress, QuorumOptions};
use crate::reachability::Reachability;
use crate::repair::RepairOptions;
use crate::version_order::{Floor, VersionOrder};

/// What a coordinator is told at its start.
#[derive(Debug, Clone)]
pub struct CoordinatorOptions {
    /// How quorum calls are made.
    pub quorum: QuorumOptions,
    /// For operations whose caller names no deadline.
    pub default_timeout: Duration,
    /// The longest deadline; longer ones are cut to it.
    pub longest_timeout: Duration,
    /// The most operations in flight; more are refused.
    pub operations_in_flight: usize,
    /// The most bytes of keys and values in flight; more are refused.
    pub bytes_in_flight: usize,
    /// The longest value.
    pub max_value_bytes: usize,
    /// When and how members are repaired.
    pub repair: RepairOptions,
    /// How long the canary rests between its operations.
    pub canary_interval: Duration,
    /// Operations that take so long are logged, and kept in traces.
    pub slow_operation: Duration,
}

impl Default for CoordinatorOptions {
    fn default() -> Self {
        Self {
            quorum: QuorumOptions::default(),
            default_timeout: Duration::from_secs(10),
            longest_timeout: Duration::from_secs(60),
            operations_in_flight: 10_000,
            bytes_in_flight: 256 << 20,
            max_value_bytes: 1 << 20,
            repair: RepairOptions::default(),
            canary_interval: Duration::from_secs(10),
            slow_operation: Duration::from_secs(1),
        }
    }
}

/// Performs operations by quorum calls. Stateless but for the config it operates under.
pub struct Coordinator {
    options: CoordinatorOptions,
    context: Arc<AttemptContext>,
    background: Background,
    operations: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    value_bytes: Expectation,
    notable: Notable,
    reachability: Mutex<Reachability>,
    versions: VersionOrder,
    stop: CancellationToken,
}

/// How long the values are that gets return: a moving average, by which gets are admitted.
#[derive(Debug, Default)]
struct Expectation(AtomicUsize);

impl Expectation {
    fn expected(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// One of several that race here may be lost, which an average does not mind.
    fn seen(&self, length: usize) {
        let expected = self.expected();
        self.0
            .store((7 * expected + length).div_ceil(8), Ordering::Relaxed);
    }
}

/// What an admitted operation holds until its end.
struct Admitted {
    _operation: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Coordinator {
    /// A coordinator over `membership`; cancelling `stop` ends its operations.
    pub fn new(
        options: CoordinatorOptions,
        membership: Arc<Membership>,
        entropy: Arc<dyn Entropy>,
        metrics: CoordinatorMetrics,
        stop: CancellationToken,
    ) -> Self {
        let live = LiveCounts::default();
        let background = Background::new(&options.quorum, stop.clone(), live.clone());
        Self {
            operations: Arc::new(Semaphore::new(options.operations_in_flight)),
            bytes: Arc::new(Semaphore::new(options.bytes_in_flight)),
            context: Arc::new(AttemptContext {
                membership,
                options: options.quorum,
                entropy,
                live,
                metrics,
            }),
            notable: Notable::new(options.slow_operation),
            reachability: Mutex::default(),
            options,
            background,
            value_bytes: Expectation::default(),
            versions: VersionOrder::new(),
            stop,
        }
    }

    /// What it saw that the protocol excludes.
    pub fn violations(&self) -> &Violations {
        self.context.metrics.violations()
    }

    /// Checks the version that an operation returns against those that ended before it began.
    fn check_order(&self, operation: Operation, floor: Floor, version: Timestamp) {
        if !self.versions.end(floor, version, operation.writes()) {
            self.violations().version_order.inc();
            tracing::error!(
                operation = operation.name(), %version, ?floor,
                "an operation returned an older version than one before it"
            );
        }
    }

    /// The config operated under, and the way to the members.
    pub fn membership(&self) -> &Arc<Membership> {
        &self.context.membership
    }

    /// How many operations are admitted at once.
    pub fn max_operations(&self) -> usize {
        self.options.operations_in_flight
    }

    /// Counts what is under way, also when this is gone.
    pub fn live_counts(&self) -> LiveCounts {
        self.context.live.clone()
    }

    /// What is under way.
    pub fn live(&self) -> LiveSnapshot {
        self.context.live.snapshot()
    }

    /// Asks the members who they are and keeps their gauges up to date.
    pub async fn observe_members(&self, limit: Duration) {
        if let Some(status) = self.status(limit).await {
            self.context.metrics.heard_of(&status);
            self.reachability.lock().heard_of(&status);
        }
    }

    /// Reads the gauges that nothing else keeps up to date.
    pub fn observe(&self) {
        let live = self.live();
        let metrics = &self.context.metrics;
        metrics.set_in_flight(live.operations, live.background_writes);
    }

    /// Counts an operation that was refused before it came here.
    pub(crate) fn count_refused(&self, operation: Operation, error: &OperationError) {
        let metrics = &self.context.metrics;
        OperationObserver::begin(metrics, operation, Instant::now()).end(Some(error));
    }

    /// Resolves once nothing goes on in the background; call it after the stop token.
    pub async fn ended(&self) {
        self.background.ended().await;
    }

    /// Performs one operation: admission, deadline, stop, outcome.
    async fn perform<T>(
        &self,
        operation: Operation,
        bytes: usize,
        timeout: Option<Duration>,
        algorithm: impl AsyncFnOnce(&Call<'_>) -> Result<T, Failure>,
    ) -> Result<T, OperationError> {
        let began = Instant::now();
        let observer = OperationObserver::begin(&self.context.metrics, operation, began);
        let mut observer = observer.telling(&self.notable);
        let admitted = self.admitted(operation, bytes, (began, timeout), algorithm);
        let result = admitted.await;
        observer.end(result.as_ref().err());
        result
    }

    async fn admitted<T>(
        &self,
        operation: Operation,
        bytes: usize,
        (began, timeout): (Instant, Option<Duration>),
        algorithm: impl AsyncFnOnce(&Call<'_>) -> Result<T, Failure>,
    ) -> Result<T, OperationError> {
        let _admitted = self.admit(bytes)?;
        let _live = self.context.live.enter(Live::Operation);
        let timeout = timeout.unwrap_or(self.options.default_timeout);
        let timeout = timeout.min(self.options.longest_timeout);
        let deadline = began + timeout.saturating_sub(answer_margin(timeout));
        let Some(view) = self.membership().view() else {
            let problem = self.membership().why_not_ready();
            return Err(OperationError::not_applied(Reason::NotReady, problem));
        };
        let call = Call {
            operation,
            context: &self.context,
            background: &self.background,
            progress: Arc::new(Progress::new(deadline)),
            view: Mutex::new(view),
            doubted: AtomicBool::new(false),
        };
        let end = {
            let mut running = pin!(algorithm(&call));
            tokio::select! {
                biased;
                result = &mut running => match result {
                    Ok(done) => return Ok(done),
                    Err(failure) => End::Failed(failure),
                },
                () = self.stop.cancelled() => {
                    call.progress.give_up(GivenUp::Stop);
                    End::Stopped
                }
                () = sleep_until(deadline) => {
                    call.progress.give_up(GivenUp::Deadline);
                    End::Deadline
                }
            }
        };
        let error = error(end, operation.writes(), &call.progress);
        let of = if is_canary() { "the canary's " } else { "" };
        tracing::debug!(target: FAILED_OPERATION, "{of}{}: {error}", operation.name());
        if let Some(phase) = error.details.get("phase") {
            let reason = error.reason.as_str().to_ascii_lowercase();
            self.context.metrics.missed_quorum(phase, &reason);
        }
        Err(error)
    }

    fn admit(&self, bytes: usize) -> Result<Admitted, OperationError> {
        if self.stop.is_cancelled() {
            let message = "the coordinator is stopping";
            return Err(OperationError::not_applied(Reason::Stopping, message));
        }
        let overloaded = |limit: String| OperationError {
            retry_after: Some(RETRY_AFTER),
            ..OperationError::not_applied(
                Reason::Overloaded,
                format!("the coordinator is at its limit of {limit} in flight"),
            )
        };
        let operations = self.options.operations_in_flight;
        let operation = self.operations.clone().try_acquire_owned();
        let operation = operation.map_err(|_| overloaded(format!("{operations} operations")))?;
        let limit = self.options.bytes_in_flight;
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let bytes = self.bytes.clone().try_acquire_many_owned(bytes);
        let bytes = bytes.map_err(|_| overloaded(format!("{limit} bytes")))?;
        Ok(Admitted {
            _operation: operation,
            _bytes: bytes,
        })
    }

    /// Set with a value, Delete without.
    async fn write(
        &self,
        operation: Operation,
        key: &Key,
        value: Option<Bytes>,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        let length = value.as_ref().map_or(0, Bytes::len);
        let limit = self.options.max_value_bytes;
        if length > limit {
            let problem = format!("it has {length} bytes; the limit is {limit} bytes");
            let error = OperationError::invalid("value", problem);
            self.count_refused(operation, &error);
            return Err(error);
        }
        let bytes = key.bytes().len() + length;
        let op_id = match active(Mutation::TimestampShared) {
            true => OpId::from_bytes([1; 16]),
            false => OpId::random(&*self.context.entropy),
        };
        let floor = self.versions.begin(key);
        let algorithm = async move |call: &Call<'_>| set(call, key, value, op_id).await;
        let timestamp = self.perform(operation, bytes, timeout, algorithm).await?;
        self.check_order(operation, floor, timestamp);
        Ok(Version(timestamp))
    }
}

#[async_trait]
impl Register for Coordinator {
    async fn get(&self, key: &Key, timeout: Option<Duration>) -> Result<Entry, OperationError> {
        let algorithm = async move |call: &Call<'_>| get(call, key).await;
        // Each member answers with the value, whose length nobody knows yet.
        let view = self.membership().view();
        let members = view.map_or(1, |view| view.targets().len());
        let bytes = key.bytes().len() + members * self.value_bytes.expected();
        let floor = self.versions.begin(key);
        let pair = self
            .perform(Operation::Get, bytes, timeout, algorithm)
            .await?;
        self.check_order(Operation::Get, floor, pair.timestamp);
        self.value_bytes
            .seen(pair.value.as_ref().map_or(0, Bytes::len));
        Ok(Entry {
            value: pair.value,
            version: Version(pair.timestamp),
        })
    }

    async fn set(
        &self,
        key: &Key,
        value: Bytes,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.write(Operation::Set, key, Some(value), timeout).await
    }

    async fn delete(
        &self,
        key: &Key,
        timeout: Option<Duration>,
    ) -> Result<Version, OperationError> {
        self.write(Operation::Delete, key, None, timeout).await
    }
}

/// When a refused operation may try again: long enough for many to complete.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How long before the caller's deadline the answer leaves, so that it arrives with its reason
/// before the caller gives up: a tenth, at most 50 ms.
fn answer_margin(timeout: Duration) -> Duration {
    (timeout / 10).min(Duration::from_millis(50))
}
