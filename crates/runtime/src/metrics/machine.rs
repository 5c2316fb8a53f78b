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

/// The smallest limit in bytes from the process's own control group up to the root; a container sees
/// its own group as the root. Of both versions of control groups, since a machine may use either for
/// memory.
fn memory_limit(mount: &Path, own: &Path) -> Option<u64> {
    let own = fs::read_to_string(own).ok()?;
    // Lines are `0::/path` in version 2, and `4:cpu,memory:/path` in version 1.
    let limits = own.lines().filter_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(":/")?;
        match controllers {
            "" => smallest_limit(mount, path, "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                smallest_limit(&mount.join("memory"), path, "memory.limit_in_bytes")
            }
            _ => None,
        }
    });
    limits.min()
}

/// Version 1 says a number near 2^63 where there is no limit, and version 2 "max".
const UNLIMITED: u64 = 1 << 62;

fn smallest_limit(mount: &Path, path: &str, file: &str) -> Option<u64> {
    let limit = |group: &Path| {
        let text = fs::read_to_string(mount.join(group).join(file)).ok()?;
        text.trim().parse().ok().filter(|limit| *limit < UNLIMITED)
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

    #[test]
    fn a_limit_of_the_first_version_of_control_groups_counts_too() {
        let name = format!("quorate-memory-limit-1-{}", std::process::id());
        let mount = std::env::temp_dir().join(name);
        let group = mount.join("memory/pod");
        fs::create_dir_all(&group).unwrap();
        let own = mount.join("own");
        fs::write(&own, "9:name=systemd:/x\n4:cpu,memory:/pod\n0::/\n").unwrap();
        fs::write(group.join("memory.limit_in_bytes"), "9223372036854771712\n").unwrap();
        assert_eq!(memory_limit(&mount, &own), None);
        fs::write(mount.join("memory/memory.limit_in_bytes"), "3000\n").unwrap();
        assert_eq!(memory_limit(&mount, &own), Some(3000));
        fs::write(group.join("memory.limit_in_bytes"), "1000\n").unwrap();
        assert_eq!(memory_limit(&mount, &own), Some(1000));
        fs::remove_dir_all(&mount).unwrap();
    }
}
