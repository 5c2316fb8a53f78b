//! What more coordinators cost.

use anyhow::ensure;

use super::{Bound, Finding, Study};
use crate::bench::Bench;
use crate::cell::SETS;
use crate::comparison::{median, spread};
use crate::figures::Figure;
use crate::quorate::ClientPath;
use crate::system::Name;
use crate::turn::Drive;

/// How many coordinators share the load.
const COUNTS: [usize; 3] = [1, 3, 6];
/// A number of connections that each of the counts divides, so that all share alike.
const CONNECTIONS: usize = 6;

/// Puts the same rate of Sets on more and more coordinators, in turns.
pub(super) async fn cost(bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
    let rate = bench.quorate_rate().await?;
    let usual_connections = std::mem::replace(&mut bench.connections, CONNECTIONS);
    let mut costs = COUNTS.map(|_| Vec::new());
    for round in 1..=bench.extent.rounds {
        for (count, costs) in COUNTS.into_iter().zip(&mut costs) {
            bench.systems.quorate.run_coordinators(count)?;
            let drive = Drive::Open(rate);
            let figures = bench
                .turn(Name::Quorate, ClientPath::Unary, &SETS, drive)
                .await?;
            ensure!(figures.errors == 0, "{:?}", figures.last_error);
            let cost = figures.get(Figure::ServerCpu);
            eprintln!("coordinators round {round}: {count} cost {cost:.0} us per operation");
            costs.push(cost);
        }
    }
    bench.connections = usual_connections;
    let usual = bench.coordinators;
    bench.systems.quorate.run_coordinators(usual)?;

    let costs = costs.map(|costs| median(&costs));
    let (least, most) = spread(costs.into_iter());
    let each = COUNTS.iter().zip(costs);
    let each = each.map(|(count, cost)| format!("{count}: {cost:.0} us"));
    Ok(vec![Finding {
        study: Study::Coordinators.name(),
        subject: "server CPU per Set with 1, 3, 6 coordinators, most to least".into(),
        value: most / least,
        unit: "x",
        bound: Some(Bound::AtMost(1.5)),
        note: format!(
            "{}, at {rate} operations/s",
            each.collect::<Vec<_>>().join(", ")
        ),
    }])
}
