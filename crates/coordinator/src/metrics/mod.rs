//! What a coordinator counts. No key is a label.

mod observers;
mod series;
mod violations;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};
use quorate_register::{Config, majority};
use quorate_runtime::metrics::{Registrar, registered};

pub(crate) use observers::{AttemptObserver, OperationObserver, PhaseObserver, outcome};
pub(crate) use series::MemberSeries;
pub use violations::Violations;

use crate::membership::{Admissions, Target};
use crate::operation::Operation;
use crate::quorum::{GivenUp, Method, Phase};
use crate::{MemberStatus, Status};
use series::OperationSeries;

/// The metrics of one coordinator. Clones are the same metrics.
#[derive(Debug, Clone)]
pub struct CoordinatorMetrics {
    operations: IntCounterVec,
    /// By [`Operation`].
    by_operation: Arc<[OperationSeries; 3]>,
    in_flight: IntGauge,
    requests: IntCounterVec,
    request_duration: HistogramVec,
    retries: IntCounterVec,
    /// The pods of the config operated under.
    listed: Arc<RwLock<Vec<String>>>,
    /// By [`Phase`].
    quorum_reached: Arc<[IntCounter; 2]>,
    quorum_missed: IntCounterVec,
    slowest_write: Histogram,
    fast_path_hits: IntCounter,
    fast_path_misses: IntCounter,
    /// By [`GivenUp`].
    cancelled_attempts: Arc<[IntCounter; GivenUp::ALL.len()]>,
    background_writes: IntGauge,
    epoch: IntGauge,
    joint: IntGauge,
    members: IntGaugeVec,
    margin: IntGaugeVec,
    member_info: IntGaugeVec,
    admissions: IntCounterVec,
    unadmitted: IntGaugeVec,
    violations: Violations,
}

impl CoordinatorMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry has them already.
    pub fn new(registry: &impl Registrar) -> Result<Self, prometheus::Error> {
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
        let operations = counter(
            "quorate_operations_total",
            "Operations by outcome: ok, not_applied, unknown, overloaded, invalid or cancelled.",
            &["operation", "outcome"],
        )?;
        let operation_duration = duration(
            "quorate_operation_duration_seconds",
            "Time from an operation's arrival to its end, however it ended.",
            &["operation"],
        )?;
        let phase_duration = duration(
            "quorate_phase_duration_seconds",
            "Time of one phase, from its first request to its quorum or its end.",
            &["operation", "phase"],
        )?;
        let of = |operation| {
            series::of_operation(&operations, &operation_duration, &phase_duration, operation)
        };
        let by_operation = Arc::new(Operation::ALL.map(of));
        let fast_path_reads = counter(
            "quorate_fast_path_reads_total",
            "Read phases of gets: hit when a quorum had the largest pair, miss when it had to be written back.",
            &["result"],
        )?;
        let cancelled_attempts = counter(
            "quorate_cancelled_attempts_total",
            "Members that were given up before they answered, amid a request or in the pause before the next, by the reason.",
            &["reason"],
        )?;
        let quorum_reached = counter(
            "quorate_quorum_reached_total",
            "Rounds in which a quorum answered, by phase.",
            &["phase"],
        )?;
        let reached = |phase: Phase| quorum_reached.with_label_values(&[phase.name()]);
        let given_up = |reason: GivenUp| cancelled_attempts.with_label_values(&[reason.name()]);
        let this = Self {
            operations,
            by_operation,
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
                "Requests to replicas that were made again, by what the one before ended with.",
                &["member", "method", "reason"],
            )?,
            listed: Arc::default(),
            quorum_reached: Arc::new([Phase::Read, Phase::Write].map(reached)),
            slowest_write: registered(
                registry,
                Histogram::with_opts(
                    HistogramOpts::new(
                        "quorate_slowest_write_duration_seconds",
                        "Time of a write from its first request until the slowest member answered too; only of writes that all members answered. The phase duration is the time to the majority.",
                    )
                    .buckets(buckets.clone()),
                )?,
            )?,
            quorum_missed: counter(
                "quorate_quorum_missed_total",
                "Operations that ended without a quorum, by phase and reason.",
                &["phase", "reason"],
            )?,
            fast_path_hits: fast_path_reads.with_label_values(&["hit"]),
            fast_path_misses: fast_path_reads.with_label_values(&["miss"]),
            cancelled_attempts: Arc::new(GivenUp::ALL.map(given_up)),
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
                        "The disk of each member and where its pod runs, empty where that is not known; 1 while it answers, 0 while it does not.",
                    ),
                    &["member", "replica_id", "zone", "node"],
                )?,
            )?,
            admissions: counter(
                "quorate_admissions_total",
                "Replicas that were found admitted, waiting, amnesiac (on an old copy of their disk) or unknown, each when that changed.",
                &["result"],
            )?,
            unadmitted: registered(
                registry,
                IntGaugeVec::new(
                    Opts::new(
                        "quorate_unadmitted_replicas",
                        "Replicas that answer and are not admitted, by state: waiting, amnesiac or unknown.",
                    ),
                    &["state"],
                )?,
            )?,
            violations: Violations::new(registry)?,
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
        for result in ["admitted", "waiting", "amnesiac", "unknown"] {
            self.admissions.with_label_values(&[result]);
        }
        for operation in Operation::ALL {
            for outcome in observers::OUTCOMES {
                let labels = [operation.name(), outcome];
                self.operations.with_label_values(&labels);
            }
        }
    }

    /// What this coordinator saw that the protocol excludes.
    pub fn violations(&self) -> &Violations {
        &self.violations
    }

    pub(crate) fn admission(&self, result: &'static str) {
        self.admissions.with_label_values(&[result]).inc();
    }

    /// How many replicas are not admitted now.
    pub(crate) fn admission_states(&self, admissions: &Admissions) {
        for state in ["waiting", "amnesiac", "unknown"] {
            let pods = admissions.pods.iter();
            let count = pods.filter(|pod| pod.state.name() == state).count();
            self.unadmitted
                .with_label_values(&[state])
                .set(count as i64);
        }
    }

    pub(crate) fn retried(&self, target: &Target, method: Method, reason: &str) {
        self.count_of_member(&self.retries, &[&target.pod, method.name(), reason]);
    }

    /// Counts in a series of a member, the first label, unless it left: what still goes on with it
    /// must not bring its series back.
    fn count_of_member(&self, counter: &IntCounterVec, labels: &[&str]) {
        let listed = self.listed.read();
        if listed.iter().any(|pod| pod == labels[0]) {
            counter.with_label_values(labels).inc();
        }
    }

    pub(crate) fn read(&self, fast: bool) {
        match fast {
            true => self.fast_path_hits.inc(),
            false => self.fast_path_misses.inc(),
        }
    }

    pub(crate) fn cancelled_attempts(&self, reason: GivenUp, count: usize) {
        self.cancelled_attempts[reason as usize].inc_by(count as u64);
    }

    pub(crate) fn reached_quorum(&self, phase: Phase) {
        self.quorum_reached[phase as usize].inc();
    }

    pub(crate) fn slowest_write(&self, took: Duration) {
        self.slowest_write.observe(took.as_secs_f64());
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
                let serves = |member: &&&MemberStatus| {
                    let identity = member.identity.as_ref();
                    identity.is_ok_and(|identity| identity.admitted)
                };
                let reachable = group.iter().filter(serves).count();
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
            let labels = [
                member.pod.as_str(),
                &member.replica_id.to_string(),
                &member.location.zone,
                &member.location.node,
            ];
            let info = self.member_info.with_label_values(&labels);
            info.set(i64::from(member.identity.is_ok()));
        }
    }

    /// Shows the config operated under; members that left take their series along.
    pub(crate) fn operates_under(&self, config: &Config) {
        let members = config.members().iter();
        let members: Vec<_> = members.map(|member| member.pod.as_str()).collect();
        let mut listed = self.listed.write();
        *listed = members.iter().map(ToString::to_string).collect();
        forget_others(&self.requests, &members);
        forget_others(&self.request_duration, &members);
        forget_others(&self.retries, &members);
        drop(listed);
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

/// Removes the series whose label `member` is none of these.
pub(crate) fn forget_others<B: MetricVecBuilder>(series: &MetricVec<B>, members: &[&str]) {
    for family in series.collect() {
        for metric in family.get_metric() {
            let labels = metric.get_label().iter();
            let labels: HashMap<_, _> = labels.map(|label| (label.name(), label.value())).collect();
            let left = labels.get("member").is_some_and(|it| !members.contains(it));
            if left {
                // Gone already is as well.
                let _ = series.remove(&labels);
            }
        }
    }
}
