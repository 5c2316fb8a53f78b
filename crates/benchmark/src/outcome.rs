//! What a run found.

use serde::Serialize;

use crate::args::{Args, Extent};
use crate::cell::{Cell, Goal};
use crate::comparison::Comparison;
use crate::etcd::EtcdTarget;
use crate::figures::{Figure, Figures};
use crate::findings::Finding;
use crate::machine::Machine;

/// All results of a run, and what they were measured on.
pub(crate) struct Outcome {
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) cells: Vec<Compared>,
    pub(crate) findings: Vec<Finding>,
}

/// How it was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Settings {
    #[serde(flatten)]
    pub(crate) extent: Extent,
    pub(crate) connections: u16,
    pub(crate) coordinators: u8,
    pub(crate) client_threads: u8,
    pub(crate) etcd_target: &'static str,
}

/// A cell and the turns of both systems.
pub(crate) struct Compared {
    pub(crate) cell: &'static Cell,
    /// The rate of an open loop, in operations per second.
    pub(crate) rate: Option<u32>,
    /// A turn per round.
    pub(crate) quorate: Vec<Figures>,
    /// A turn per round.
    pub(crate) etcd: Vec<Figures>,
}

impl Outcome {
    pub(crate) fn new(machine: Machine, args: &Args) -> Self {
        let settings = Settings {
            extent: args.extent(),
            connections: args.connections,
            coordinators: args.coordinators,
            client_threads: args.client_threads,
            etcd_target: match args.etcd_target {
                EtcdTarget::Leader => "leader",
                EtcdTarget::All => "all",
            },
        };
        Self {
            machine,
            settings,
            cells: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// How many operations of comparisons failed. None may.
    pub(crate) fn errors(&self) -> u64 {
        self.cells.iter().map(Compared::errors).sum()
    }
}

impl Compared {
    /// Both systems by one figure.
    pub(crate) fn comparison(&self, figure: Figure) -> Comparison {
        let of = |turns: &[Figures]| -> Vec<f64> {
            turns.iter().map(|figures| figures.get(figure)).collect()
        };
        Comparison::new(&of(&self.quorate), &of(&self.etcd))
    }

    /// The goal for a figure, if it has one.
    pub(crate) fn goal(&self, figure: Figure) -> Option<&'static Goal> {
        self.cell.goals.iter().find(|goal| goal.figure == figure)
    }

    /// How many operations failed.
    pub(crate) fn errors(&self) -> u64 {
        let turns = self.quorate.iter().chain(&self.etcd);
        turns.map(|figures| figures.errors).sum()
    }

    /// What one of them said.
    pub(crate) fn last_error(&self) -> Option<&str> {
        let mut turns = self.quorate.iter().chain(&self.etcd);
        turns.find_map(|figures| figures.last_error.as_deref())
    }
}

impl Goal {
    /// Whether a ratio reaches it.
    pub(crate) fn is_met(&self, ratio: f64) -> bool {
        match self.figure.more_is_better() {
            true => ratio >= self.ratio,
            false => ratio <= self.ratio,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_says_on_which_side_of_a_goal_is_better() {
        let met = |figure, ratio| Goal { figure, ratio: 1.0 }.is_met(ratio);
        assert!(met(Figure::Throughput, 1.5) && !met(Figure::Throughput, 0.5));
        assert!(met(Figure::ServerCpu, 0.5) && !met(Figure::ServerCpu, 1.5));
        assert!(!met(Figure::Throughput, f64::NAN) && !met(Figure::P99, f64::NAN));
    }
}
