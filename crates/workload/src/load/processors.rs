//! Processor time of processes, from the proc file system of Linux.

use std::fs;
use std::time::Duration;

/// The processes whose time is measured: this one, and some of the store.
#[derive(Debug)]
pub struct Processors {
    servers: Vec<u32>,
}

/// The process whose time cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the processor time of process {0}: is it running?")]
pub struct NoSuchProcess(pub u32);

/// Time that processes have used, user and system together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessorTime {
    /// The store's, if any were named.
    pub servers: Option<Duration>,
    /// This process's; zero where there is no proc file system.
    pub client: Duration,
}

impl Processors {
    /// This process and these.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn new(servers: &[u32]) -> Result<Self, NoSuchProcess> {
        let processors = Self {
            servers: servers.to_vec(),
        };
        processors.sample().map(|_| processors)
    }

    /// Whether the store's time is known.
    pub fn has_servers(&self) -> bool {
        !self.servers.is_empty()
    }

    /// What they have used since they were started.
    ///
    /// # Errors
    /// When a process has ended.
    pub fn sample(&self) -> Result<ProcessorTime, NoSuchProcess> {
        let mut servers = Duration::ZERO;
        for pid in &self.servers {
            servers += used(&pid.to_string()).ok_or(NoSuchProcess(*pid))?;
        }
        Ok(ProcessorTime {
            servers: self.has_servers().then_some(servers),
            client: used("self").unwrap_or_default(),
        })
    }
}

impl ProcessorTime {
    /// What was used since an earlier sample.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let servers = self.servers.zip(before.servers);
        Self {
            servers: servers.map(|(after, before)| after.saturating_sub(before)),
            client: self.client.saturating_sub(before.client),
        }
    }
}

fn used(process: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let ticks = ticks(&stat)?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// The fields `utime` and `stime`, the 14th and 15th (see proc_pid_stat(5)). The second is
/// the program's name in parentheses, which may have spaces and parentheses itself.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses_do_not_confuse() {
        let stat = "42 (a b) c) S 1 42 42 0 -1 4194560 9 0 0 0 170 30 5 6 20 0 1 0";
        assert_eq!(ticks(stat), Some(200));
        assert_eq!(ticks("42 (cut"), None);
        assert_eq!(ticks("42 (cut) S 1 2"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_time() {
        let own = std::process::id();
        let processors = Processors::new(&[own]).unwrap();
        let before = processors.sample().unwrap();
        let mut used = Duration::ZERO;
        let mut number = 0_u64;
        while used.is_zero() {
            number = std::hint::black_box(number.wrapping_mul(31).wrapping_add(1));
            let after = processors.sample().unwrap();
            used = after.since(&before).servers.unwrap();
        }
        let after = processors.sample().unwrap().since(&before);
        assert!(after.client >= used);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        // The largest there can be is 2^22.
        let error = Processors::new(&[u32::MAX]).unwrap_err();
        assert!(error.to_string().contains("process 4294967295"), "{error}");
    }
}
