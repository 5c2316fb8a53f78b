//! What a coordinator counts. No key is a label.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use quorate_register::{Applied, Config, OperationError, Reason, ReplicaError, majority};
use quorate_runtime::metrics::registered;
use tokio::time::Instant;

use crate::quorum::Phase;
use crate::{MemberStatus, Status};

/// The metrics of one coordinator. Clones are the same metrics.
#[derive(Debug, Clone)]
pub struct CoordinatorMetrics {
    operations: IntCounterVec,
    operation_duration: HistogramVec,
    phase_duration: HistogramVec,
    in_flight: IntGauge,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    retries: IntCounterVec,
    quorum_missed: IntCounterVec,
    fast_path_reads: IntCounterVec,
    cancelled_attempts: IntCounterVec,
    background_writes: IntGauge,
    epoch: IntGauge,
    joint: IntGauge,
    members: IntGaugeVec,
    margin: IntGaugeVec,
    member_info: IntGaugeVec,
}

impl CoordinatorMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        // 50 us to 26 s: below is measurement noise, above every deadline.
        let buckets = prometheus::exponential_buckets(0.000_05, 2.0, 20)?;
        let counter = |name: &str, help: &str, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let duration = |name: &str, help: &str, labels: &[&str]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.clone());
            registered(registry, HistogramVec::new(opts, labels)?)
        };
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help)?);
        let this = Self {
            operations: counter(
                "quorate_operations_total",
                "Operations by outcome: ok, not_applied, unknown, overloaded, invalid or cancelled.",
                &["operation", "outcome"],
            )?,
            operation_duration: duration(
                "quorate_operation_duration_seconds",
                "Time from an operation's arrival to its end, however it ended.",
                &["operation"],
            )?,
            phase_duration: duration(
                "quorate_phase_duration_seconds",
                "Time of one phase, from its first request to its quorum or its end.",
                &["operation", "phase"],
            )?,
            in_flight: gauge(
                "quorate_operations_in_flight",
                "Operations being performed.",
            )?,
            requests: counter(
                "quorate_replica_requests_total",
                "Requests to replicas that were answered, refused or timed out, by code.",
                &["member", "method", "code"],
            )?,
            request_duration: duration(
                "quorate_replica_request_duration_seconds",
                "Time of one request to a replica.",
                &["member", "method"],
            )?,
            retries: counter(
                "quorate_retries_total",
                "Requests to replicas that were made again, by the reason.",
                &["member", "method", "reason"],
            )?,
            quorum_missed: counter(
                "quorate_quorum_missed_total",
                "Operations that ended without a quorum, by phase and reason.",
                &["phase", "reason"],
            )?,
            fast_path_reads: counter(
                "quorate_fast_path_reads_total",
                "Read phases of gets: hit when a quorum had the largest pair, miss when it had to be written back.",
                &["result"],
            )?,
            cancelled_attempts: counter(
                "quorate_cancelled_attempts_total",
                "Requests to replicas that were given up, by the reason.",
                &["reason"],
            )?,
            background_writes: gauge(
                "quorate_background_writes_in_flight",
                "Writes that go on after their quorum was reached.",
            )?,
            epoch: registered(
                registry,
                IntGauge::with_opts(
                    Opts::new(
                        "quorate_config_epoch",
                        "Epoch number of the config served under.",
                    )
                    .const_label("member", "")
                    .const_label("role", "coordinator"),
                )?,
            )?,
            joint: gauge("quorate_config_joint", "1 while two groups are counted.")?,
            members: registered(
                registry,
                IntGaugeVec::new(
                    Opts::new("quorate_members", "Members of the config, by group."),
                    &["group"],
                )?,
            )?,
            margin: registered(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "quorate_quorum_margin",
                        "How many more members of the group than its majority answer, and may still be lost; below 0 no operation completes. Members that refuse writes answer.",
                    ),
                    &["group"],
                )?,
            )?,
            member_info: registered(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "quorate_member_info",
                        "The disk of each member; 1 while it answers, 0 while it does not.",
                    ),
                    &["member", "replica_id"],
                )?,
            )?,
        };
        this.begin_at_zero();
        Ok(this)
    }

    /// Makes the series that alarms watch, so that their first event is an increase.
    fn begin_at_zero(&self) {
        for phase in [Phase::Read, Phase::Write] {
            for reason in ["no_quorum", "quorum_impossible"] {
                self.quorum_missed
                    .with_label_values(&[phase.name(), reason]);
            }
        }
        for operation in ["get", "set", "delete"] {
            for outcome in OUTCOMES {
                self.operations.with_label_values(&[operation, outcome]);
            }
        }
    }

    pub(crate) fn retried(&self, member: &str, method: &str, reason: &str) {
        self.retries
            .with_label_values(&[member, method, reason])
            .inc();
    }

    pub(crate) fn read(&self, fast: bool) {
        let result = if fast { "hit" } else { "miss" };
        self.fast_path_reads.with_label_values(&[result]).inc();
    }

    pub(crate) fn cancelled_attempts(&self, reason: &str, count: usize) {
        if count > 0 {
            let counter = self.cancelled_attempts.with_label_values(&[reason]);
            counter.inc_by(count as u64);
        }
    }

    pub(crate) fn missed_quorum(&self, phase: &str, reason: &str) {
        self.quorum_missed.with_label_values(&[phase, reason]).inc();
    }

    pub(crate) fn set_in_flight(&self, operations: i64, background_writes: i64) {
        self.in_flight.set(operations);
        self.background_writes.set(background_writes);
    }

    /// What was just heard of the members; those that left take their series along.
    pub(crate) fn heard_of(&self, status: &Status) {
        self.margin.reset();
        self.member_info.reset();
        let margin = |name: &str, group: Vec<&MemberStatus>| {
            if !group.is_empty() {
                let reachable = group
                    .iter()
                    .filter(|member| member.identity.is_ok())
                    .count();
                let margin = reachable as i64 - majority(group.len()) as i64;
                self.margin.with_label_values(&[name]).set(margin);
            }
        };
        let members = || status.members.iter();
        margin(
            "current",
            members().filter(|member| member.current).collect(),
        );
        margin("next", members().filter(|member| member.next).collect());
        for member in &status.members {
            let labels = [member.pod.as_str(), &member.replica_id.to_string()];
            let info = self.member_info.with_label_values(&labels);
            info.set(i64::from(member.identity.is_ok()));
        }
    }

    pub(crate) fn operates_under(&self, config: &Config) {
        let parts = config.parts();
        let number = i64::try_from(parts.epoch.number).unwrap_or(i64::MAX);
        self.epoch.set(number);
        self.joint.set(i64::from(config.is_joint()));
        let members = |group: &str, members: usize| {
            self.members.with_label_values(&[group]).set(members as i64);
        };
        members("current", parts.current.len());
        members("next", parts.next.as_ref().map_or(0, Vec::len));
    }
}

/// The values of the label `outcome`.
const OUTCOMES: [&str; 6] = [
    "ok",
    "not_applied",
    "unknown",
    "overloaded",
    "invalid",
    "cancelled",
];

/// Observes an operation when it is dropped, so that abandoned ones count too.
pub(crate) struct OperationObserver<'a> {
    metrics: &'a CoordinatorMetrics,
    operation: &'static str,
    started: Instant,
    outcome: &'static str,
}

impl<'a> OperationObserver<'a> {
    pub(crate) fn begin(metrics: &'a CoordinatorMetrics, operation: &'static str) -> Self {
        Self {
            metrics,
            operation,
            started: Instant::now(),
            outcome: "cancelled",
        }
    }

    pub(crate) fn end(&mut self, error: Option<&OperationError>) {
        self.outcome = match error {
            None => "ok",
            Some(error) => outcome(error),
        };
    }
}

/// The enumerated value of the label `outcome`.
fn outcome(error: &OperationError) -> &'static str {
    match (error.reason, error.applied) {
        (Reason::InvalidArgument | Reason::RetryRefused | Reason::TimestampsExhausted, _) => {
            "invalid"
        }
        (Reason::Overloaded, _) => "overloaded",
        (_, Applied::No) => "not_applied",
        (_, Applied::Maybe) => "unknown",
    }
}

impl Drop for OperationObserver<'_> {
    fn drop(&mut self) {
        let labels = [self.operation, self.outcome];
        self.metrics.operations.with_label_values(&labels).inc();
        let durations = &self.metrics.operation_duration;
        let duration = durations.with_label_values(&[self.operation]);
        duration.observe(self.started.elapsed().as_secs_f64());
    }
}

/// Observes a phase when it is dropped.
pub(crate) struct PhaseObserver {
    duration: Histogram,
    started: Instant,
}

impl PhaseObserver {
    pub(crate) fn begin(metrics: &CoordinatorMetrics, operation: &str, phase: Phase) -> Self {
        let labels = [operation, phase.name()];
        Self {
            duration: metrics.phase_duration.with_label_values(&labels),
            started: Instant::now(),
        }
    }
}

impl Drop for PhaseObserver {
    fn drop(&mut self) {
        self.duration.observe(self.started.elapsed().as_secs_f64());
    }
}

/// Observes a request to a replica; one that is dropped before its end counts as cancelled.
pub(crate) struct AttemptObserver<'a> {
    metrics: &'a CoordinatorMetrics,
    member: &'a str,
    method: &'static str,
    started: Instant,
    code: &'static str,
}

impl<'a> AttemptObserver<'a> {
    pub(crate) fn begin(
        metrics: &'a CoordinatorMetrics,
        member: &'a str,
        method: &'static str,
        started: Instant,
    ) -> Self {
        Self {
            metrics,
            member,
            method,
            started,
            code: "cancelled",
        }
    }

    pub(crate) fn end(&mut self, error: Option<&ReplicaError>) {
        self.code = error.map_or("ok", ReplicaError::code);
    }
}

impl Drop for AttemptObserver<'_> {
    fn drop(&mut self) {
        let labels = [self.member, self.method, self.code];
        self.metrics.requests.with_label_values(&labels).inc();
        let durations = &self.metrics.request_duration;
        let duration = durations.with_label_values(&labels[..2]);
        duration.observe(self.started.elapsed().as_secs_f64());
    }
}
