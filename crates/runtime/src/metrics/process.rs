//! What the process takes: the `process_*` metrics.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Counter, MetricFamily};

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
            let Some(seconds) = processor_seconds() else {
                continue;
            };
            for metric in family.mut_metric() {
                let mut counter = Counter::default();
                counter.set_value(seconds);
                metric.set_counter(counter);
            }
        }
        families
    }
}

/// In what Linux counts times of processes in `/proc`, per second: `USER_HZ`, a part of its interface.
const TICKS: f64 = 100.0;

/// User and system time of all threads so far: utime and stime, fields 14 and 15 of
/// [proc_pid_stat(5)](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, field 2, may have anything in it, but ends with the last of these.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    let ticks = ticks.map(str::parse::<u64>).sum::<Result<u64, _>>().ok()?;
    Some(ticks as f64 / TICKS)
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
        while processor_seconds().unwrap() < before + 0.02 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let after = shown(&process);
        assert!(after >= before + 0.02, "{before} to {after}");
    }
}
