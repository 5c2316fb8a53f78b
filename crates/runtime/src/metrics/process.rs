//! What the process takes: the `process_*` metrics.

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Counter, MetricFamily};
use rustix::time::{ClockId, clock_gettime};

/// The library's collector, but for the processor time: that one counts whole seconds, from which no
/// rate over a short time can be told.
pub(super) struct Process(ProcessCollector);

const PROCESSOR_SECONDS: &str = "process_cpu_seconds_total";

impl Default for Process {
    fn default() -> Self {
        Self(ProcessCollector::for_self())
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.0.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.0.collect();
        let of_processor = |family: &&mut MetricFamily| family.name() == PROCESSOR_SECONDS;
        for family in families.iter_mut().filter(of_processor) {
            for metric in family.mut_metric() {
                let mut seconds = Counter::default();
                seconds.set_value(processor_seconds());
                metric.set_counter(seconds);
            }
        }
        families
    }
}

/// User and system time of all threads so far.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(process: &Process) -> f64 {
        let families = process.collect();
        let family = families.iter().find(|it| it.name() == PROCESSOR_SECONDS);
        family.unwrap().get_metric()[0].get_counter().get_value()
    }

    #[test]
    fn parts_of_a_second_of_processor_time_are_seen() {
        let process = Process::default();
        let before = shown(&process);
        let mut sum = 0_u64;
        while processor_seconds() < before + 0.01 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let after = shown(&process);
        assert!(after >= before + 0.01, "{before} to {after}");
    }
}
