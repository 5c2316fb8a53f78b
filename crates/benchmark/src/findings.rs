//! What is no comparison of loads.

mod allocations;
mod change;
mod coordinators;
mod fast_path;
mod kill;
mod memory;

use serde::Serialize;

use crate::bench::Bench;

/// Something that is measured in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Study {
    FastPath,
    Allocations,
    Coordinators,
    Memory,
    Change,
    Kill,
}

/// One number, and what it should be.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub(crate) study: &'static str,
    /// What was measured.
    pub(crate) subject: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// None where the number is only for comparison, or was measured with too little for a
    /// judgement.
    pub(crate) bound: Option<Bound>,
    /// How it came about, for people.
    pub(crate) note: String,
}

/// What a number should be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    /// Whether a number keeps it.
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }
}

impl Study {
    /// Those that kill processes come last.
    pub(crate) const ALL: [Self; 6] = [
        Self::FastPath,
        Self::Allocations,
        Self::Coordinators,
        Self::Memory,
        Self::Change,
        Self::Kill,
    ];

    /// For the command line and for programs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FastPath => "fast-path",
            Self::Allocations => "allocations",
            Self::Coordinators => "coordinators",
            Self::Memory => "memory",
            Self::Change => "change",
            Self::Kill => "kill",
        }
    }

    /// Makes it.
    pub(crate) async fn run(self, bench: &mut Bench) -> anyhow::Result<Vec<Finding>> {
        match self {
            Self::FastPath => fast_path::share(bench).await,
            Self::Allocations => allocations::per_operation(bench).await,
            Self::Coordinators => coordinators::cost(bench).await,
            Self::Memory => memory::sizes(bench).await,
            Self::Change => change::cost(bench).await,
            Self::Kill => kill::silences(bench).await,
        }
    }
}
