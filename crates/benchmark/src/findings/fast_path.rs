//! How many Gets need one phase only when nobody writes.

use anyhow::ensure;

use super::{Bound, Finding, Study};
use crate::bench::Bench;
use crate::cell::GETS;
use crate::quorate::ClientPath;
use crate::system::Name;
use crate::turn::Drive;

const IN_FLIGHT: usize = 64;

/// The series that count them.
const HIT: &str = "quorate_fast_path_reads_total{result=\"hit\"}";
const MISS: &str = "quorate_fast_path_reads_total{result=\"miss\"}";

/// Reads keys that nobody writes, and asks the coordinators what it took.
pub(super) async fn share(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    bench.systems.wake(Name::Quorate).await?;
    bench.fill(Name::Quorate, &GETS).await?;
    let (hits_before, misses_before) = reads(bench).await?;
    let drive = Drive::Closed(IN_FLIGHT);
    bench
        .turn(Name::Quorate, ClientPath::Unary, &GETS, drive)
        .await?;
    let (hits, misses) = reads(bench).await?;
    let (hits, misses) = (hits - hits_before, misses - misses_before);
    ensure!(hits + misses > 0.0, "the coordinators counted no reads");
    Ok(vec![Finding {
        study: Study::FastPath.name(),
        subject: "uncontended Gets on the fast path".into(),
        value: 100.0 * hits / (hits + misses),
        unit: "%",
        bound: Some(Bound::AtLeast(99.0)),
        note: format!("of {:.0}", hits + misses),
    }])
}

async fn reads(bench: &Bench) -> anyhow::Result<(f64, f64)> {
    let metrics = bench.systems.quorate.metrics().await?;
    let sum = |series| metrics.iter().map(|one| one.value(series)).sum();
    Ok((sum(HIT), sum(MISS)))
}
