//! What the process has of the machine: memory and worker threads.

use std::fs;
use std::path::Path;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, IntGauge};
use tokio::runtime::RuntimeMetrics;

/// Reads the memory limit and the state of the tokio runtime whenever metrics are asked for.
pub(super) struct Machine {
    runtime: RuntimeMetrics,
    memory_limit: IntGauge,
    workers: IntGauge,
    busy: Counter,
    tasks: IntGauge,
    queue: IntGauge,
}

impl Machine {
    pub(super) fn new(runtime: RuntimeMetrics) -> Result<Self, prometheus::Error> {
        Ok(Self {
            runtime,
            memory_limit: IntGauge::new(
                "quorate_memory_limit_bytes",
                "The memory this process and those beside it in its control group may take; 0 when nothing limits it.",
            )?,
            workers: IntGauge::new("quorate_workers", "Worker threads that run tasks.")?,
            busy: Counter::new(
                "quorate_worker_busy_seconds_total",
                "Time that worker threads were busy, over all of them.",
            )?,
            tasks: IntGauge::new("quorate_tasks", "Tasks that have not ended.")?,
            queue: IntGauge::new(
                "quorate_task_queue_length",
                "Tasks that are ready to run and wait for any worker thread.",
            )?,
        })
    }

    fn collectors(&self) -> [&dyn Collector; 5] {
        [
            &self.memory_limit,
            &self.workers,
            &self.busy,
            &self.tasks,
            &self.queue,
        ]
    }
}

impl Collector for Machine {
    fn desc(&self) -> Vec<&Desc> {
        let collectors = self.collectors().into_iter();
        collectors.flat_map(|collector| collector.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let limit = memory_limit(Path::new("/sys/fs/cgroup"), Path::new("/proc/self/cgroup"));
        self.memory_limit
            .set(i64::try_from(limit.unwrap_or(0)).unwrap_or(i64::MAX));
        self.workers.set(count(self.runtime.num_workers()));
        self.tasks.set(count(self.runtime.num_alive_tasks()));
        self.queue.set(count(self.runtime.global_queue_depth()));
        let workers = 0..self.runtime.num_workers();
        let busy = workers.map(|worker| self.runtime.worker_total_busy_duration(worker));
        let busy = busy.map(|busy| busy.as_secs_f64()).sum::<f64>();
        self.busy.inc_by((busy - self.busy.get()).max(0.0));
        let collectors = self.collectors().into_iter();
        collectors
            .flat_map(|collector| collector.collect())
            .collect()
    }
}

/// The smallest `memory.max` (cgroups v2) from the process's own group up to the root, bytes.
fn memory_limit(mount: &Path, own: &Path) -> Option<u64> {
    let own = fs::read_to_string(own).ok()?;
    // A line `0::/path`; a container sees its own group as the root.
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let limit = |group: &Path| {
        let text = fs::read_to_string(mount.join(group).join("memory.max")).ok()?;
        // "max" is no limit.
        text.trim().parse::<u64>().ok()
    };
    Path::new(path).ancestors().filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_of_all_groups_above_counts() {
        let name = format!("quorate-memory-limit-{}", std::process::id());
        let mount = std::env::temp_dir().join(name);
        let inner = mount.join("pod/container");
        fs::create_dir_all(&inner).unwrap();
        let own = mount.join("own");
        fs::write(&own, "1:name=old:/elsewhere\n0::/pod/container\n").unwrap();
        assert_eq!(memory_limit(&mount, &own), None);
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        assert_eq!(memory_limit(&mount, &own), None);
        fs::write(mount.join("pod/memory.max"), "1000\n").unwrap();
        assert_eq!(memory_limit(&mount, &own), Some(1000));
        fs::write(inner.join("memory.max"), "2000\n").unwrap();
        assert_eq!(memory_limit(&mount, &own), Some(1000));
        fs::write(inner.join("memory.max"), "500\n").unwrap();
        assert_eq!(memory_limit(&mount, &own), Some(500));
        fs::remove_dir_all(&mount).unwrap();
    }
}
