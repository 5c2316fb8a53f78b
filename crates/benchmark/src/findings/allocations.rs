//! How often, and for how much, the roles ask their allocator in one operation.
//!
//! Only programs that were built to count it say so: `just bench-allocations`. Counting takes
//! processor time, so those are not compared with etcd.

use super::{Finding, Study};
use crate::bench::Bench;
use crate::cell::{Asked, GETS, SETS};
use crate::quorate::{ClientPath, Metrics};
use crate::system::Name;
use crate::turn::Drive;

const IN_FLIGHT: usize = 64;

const CALLS: &str = "quorate_allocations_total";
const BYTES: &str = "quorate_allocated_bytes_total";
const DONE: [&str; 2] = [
    "quorate_operations_total{operation=\"get\",outcome=\"ok\"}",
    "quorate_operations_total{operation=\"set\",outcome=\"ok\"}",
];

/// Sets and Gets of 64 bytes, over unary calls and over exchanges.
pub(super) async fn per_operation(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let mut found = Vec::new();
    bench.systems.wake(Name::Quorate).await?;
    let counts = Counts::read(bench).await?;
    if counts.coordinators.calls == 0.0 {
        eprintln!("allocations: these programs do not count them");
        return Ok(found);
    }
    for (operation, asked) in [("Set", SETS), ("Get", GETS)] {
        for (path, clients) in [
            (ClientPath::Unary, "unary"),
            (ClientPath::Exchange, "batched"),
        ] {
            let each = measured(bench, path, &asked).await?;
            for (role, cost) in [
                ("the coordinator", each.coordinators),
                ("each replica", each.replicas),
            ] {
                found.push(Finding {
                    study: Study::Allocations.name(),
                    subject: format!("allocations per {operation} by {role}, {clients} clients"),
                    value: cost.calls,
                    unit: "",
                    bound: None,
                    note: format!("{:.0} bytes, {IN_FLIGHT} in flight", cost.bytes),
                });
            }
        }
    }
    Ok(found)
}

/// What one operation of a load costs.
async fn measured(bench: &mut Bench, path: ClientPath, asked: &Asked) -> anyhow::Result<Counts> {
    bench.fill(Name::Quorate, asked).await?;
    let before = Counts::read(bench).await?;
    let drive = Drive::Closed(IN_FLIGHT);
    bench.turn(Name::Quorate, path, asked, drive).await?;
    Ok(Counts::read(bench).await?.per_operation_since(&before))
}

/// What one process asked its allocator for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost {
    calls: f64,
    bytes: f64,
}

/// What the processes have counted.
#[derive(Debug, PartialEq)]
struct Counts {
    operations: f64,
    /// Of all of them: each operation is one coordinator's.
    coordinators: Cost,
    /// The mean of all of them: each operation is every replica's.
    replicas: Cost,
}

impl Counts {
    async fn read(bench: &Bench) -> anyhow::Result<Self> {
        let coordinators = bench.systems.quorate.metrics().await?;
        let replicas = bench.systems.quorate.replica_metrics().await?;
        let operations = DONE.iter().map(|series| sum(&coordinators, series)).sum();
        let cost = |metrics: &[Metrics], processes: usize| Cost {
            calls: sum(metrics, CALLS) / processes as f64,
            bytes: sum(metrics, BYTES) / processes as f64,
        };
        Ok(Self {
            operations,
            coordinators: cost(&coordinators, 1),
            replicas: cost(&replicas, replicas.len()),
        })
    }

    fn per_operation_since(&self, before: &Self) -> Self {
        let operations = self.operations - before.operations;
        let cost = |after: Cost, before: Cost| Cost {
            calls: (after.calls - before.calls) / operations,
            bytes: (after.bytes - before.bytes) / operations,
        };
        Self {
            operations,
            coordinators: cost(self.coordinators, before.coordinators),
            replicas: cost(self.replicas, before.replicas),
        }
    }
}

fn sum(metrics: &[Metrics], series: &str) -> f64 {
    metrics.iter().map(|one| one.value(series)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_since_counts() {
        let counts = |operations, calls| Counts {
            operations,
            coordinators: Cost {
                calls,
                bytes: 100.0 * calls,
            },
            replicas: Cost {
                calls: calls / 2.0,
                bytes: 0.0,
            },
        };
        let each = counts(30.0, 500.0).per_operation_since(&counts(10.0, 100.0));
        assert_eq!(each.operations, 20.0);
        let coordinators = Cost {
            calls: 20.0,
            bytes: 2000.0,
        };
        assert_eq!(each.coordinators, coordinators);
        assert_eq!(each.replicas.calls, 10.0);
    }
}
