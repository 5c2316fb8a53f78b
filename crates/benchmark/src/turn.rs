//! One turn of one system.

use std::sync::Arc;

use quorate_register::Register;
use quorate_workload::load::{Load, Measurement, Plan, Processors};
use tokio::time::{Instant, sleep};

use crate::args::Extent;
use crate::disk::Disk;
use crate::figures::{Figures, Written};
use crate::proc_fs::bytes_dirtied;

/// How a load is put on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Drive {
    /// So many operations in flight.
    Closed(usize),
    /// So many operations a second.
    Open(u32),
}

impl Drive {
    /// Begins.
    pub(crate) fn start(self, plan: Arc<Plan>, registers: &[Arc<dyn Register>]) -> Load {
        match self {
            Self::Closed(in_flight) => Load::closed(plan, registers, in_flight),
            Self::Open(per_second) => Load::open(plan, registers, per_second),
        }
    }
}

/// What is measured.
pub(crate) struct Servers<'a> {
    pub(crate) process_ids: Vec<u32>,
    pub(crate) disk: &'a Disk,
}

/// Puts a load on and measures it. Processor time and latencies are those of the measured
/// seconds; what was written is counted from the first operation of the warm-up until all of
/// it is on disk, and divided by all operations, since the disk lags behind.
pub(crate) async fn measure(
    drive: Drive,
    plan: Arc<Plan>,
    registers: &[Arc<dyn Register>],
    servers: &Servers<'_>,
    extent: &Extent,
) -> anyhow::Result<Figures> {
    let processors = Processors::new(&servers.process_ids)?;
    let disk_before = servers.disk.settle()?;
    let dirtied_before = bytes_dirtied(&servers.process_ids)?;
    let load = drive.start(plan, registers);
    sleep(extent.warmup).await;
    let before = processors.sample()?;
    let began = Instant::now();
    load.measure();
    sleep(extent.duration).await;
    let elapsed = began.elapsed();
    load.stop();
    let after = processors.sample()?;
    let tally = load.finish().await;
    let operations = tally.ended as f64;
    let dirtied = bytes_dirtied(&servers.process_ids)? - dirtied_before;
    let disk_after = servers.disk.settle()?;
    let to_disk = disk_after.zip(disk_before);
    let to_disk = to_disk.map_or(f64::NAN, |(after, before)| (after - before) as f64);
    let measurement = Measurement {
        elapsed,
        tally,
        processors: after.since(&before),
    };
    let written = Written {
        to_disk: to_disk / operations,
        to_memory: dirtied as f64 / operations,
    };
    Ok(Figures::new(&measurement, written))
}
