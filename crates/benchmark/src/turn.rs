//! One turn of one system.

use std::sync::Arc;

use quorate_register::Register;
use quorate_workload::load::{Load, Measurement, Plan, Processors};
use tokio::time::{Instant, sleep};

use crate::args::Extent;
use crate::figures::Figures;
use crate::proc_fs::bytes_written;

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

/// Measures a load that has just begun on the servers with these process ids.
pub(crate) async fn measure(
    load: Load,
    servers: &[u32],
    extent: &Extent,
) -> anyhow::Result<Figures> {
    let processors = Processors::new(servers)?;
    sleep(extent.warmup).await;
    let written_before = bytes_written(servers)?;
    let before = processors.sample()?;
    let began = Instant::now();
    load.measure();
    sleep(extent.duration).await;
    let elapsed = began.elapsed();
    load.stop();
    let after = processors.sample()?;
    let written = bytes_written(servers)? - written_before;
    let measurement = Measurement {
        elapsed,
        tally: load.finish().await,
        processors: after.since(&before),
    };
    Ok(Figures::new(&measurement, written))
}
