//! Series that are looked up once, and not for each request.

use prometheus::{Histogram, IntCounter};

use super::CoordinatorMetrics;
use crate::operation::Operation;
use crate::quorum::{Method, Phase};

/// The series of one operation.
#[derive(Debug, Clone)]
pub(super) struct OperationSeries {
    pub(super) ok: IntCounter,
    pub(super) duration: Histogram,
    /// By [`Phase`].
    pub(super) phases: [Histogram; 2],
}

/// The series of one member.
#[derive(Debug)]
pub(crate) struct MemberSeries {
    /// By [`Method`].
    pub(super) by_method: [MethodSeries; 3],
}

/// The series of one method of a member: those of its common ends.
#[derive(Debug)]
pub(super) struct MethodSeries {
    pub(super) ok: IntCounter,
    pub(super) cancelled: IntCounter,
    pub(super) duration: Histogram,
}

impl CoordinatorMetrics {
    /// The series of a member, for a config that lists it.
    pub(crate) fn member(&self, pod: &str) -> MemberSeries {
        let series = |method: Method| {
            let count = |code| {
                let labels = [pod, method.name(), code];
                self.requests.with_label_values(&labels)
            };
            MethodSeries {
                ok: count("ok"),
                cancelled: count("cancelled"),
                duration: self
                    .request_duration
                    .with_label_values(&[pod, method.name()]),
            }
        };
        MemberSeries {
            by_method: Method::ALL.map(series),
        }
    }
}

/// The series of an operation.
pub(super) fn of_operation(
    operations: &prometheus::IntCounterVec,
    operation_duration: &prometheus::HistogramVec,
    phase_duration: &prometheus::HistogramVec,
    operation: Operation,
) -> OperationSeries {
    let name = operation.name();
    let phase = |phase: Phase| phase_duration.with_label_values(&[name, phase.name()]);
    OperationSeries {
        ok: operations.with_label_values(&[name, "ok"]),
        duration: operation_duration.with_label_values(&[name]),
        phases: [Phase::Read, Phase::Write].map(phase),
    }
}
