//! What is compared: one table of loads and goals.

use quorate_workload::KeyDistribution;

use crate::figures::Figure::{self, BytesWritten, P50, P99, ServerCpu, Throughput};
use crate::quorate::ClientPath;

/// How many keys the cells with few keys draw from.
pub(crate) const FEW_KEYS: usize = 10_000;

/// One load, put on each system in turn.
#[derive(Debug)]
pub(crate) struct Cell {
    /// For the command line and for programs.
    pub(crate) name: &'static str,
    /// For people.
    pub(crate) title: &'static str,
    pub(crate) pace: Pace,
    pub(crate) path: ClientPath,
    pub(crate) asked: Asked,
    pub(crate) goals: &'static [Goal],
}

/// What the operations of a load are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) set_percent: u8,
    pub(crate) value_bytes: usize,
    pub(crate) keys: KeySet,
}

/// How operations follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// So many are in flight at any time.
    InFlight(usize),
    /// They begin at a rate that both systems can sustain.
    FixedRate,
}

/// Which keys operations go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeySet {
    /// [`FEW_KEYS`], all alike.
    Few,
    /// As many as --many-keys says, some far more often than others.
    Many,
}

/// The exponent that YCSB has for its zipf workloads (Cooper et al. 2010).
const ZIPF_EXPONENT: f64 = 0.99;

impl KeySet {
    pub(crate) fn distribution(self) -> KeyDistribution {
        match self {
            Self::Few => KeyDistribution::Uniform,
            Self::Many => KeyDistribution::Zipf {
                exponent: ZIPF_EXPONENT,
            },
        }
    }
}

/// A ratio of Quorate's figure to etcd's to be reached: at least this where more is better,
/// otherwise at most this.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    pub(crate) figure: Figure,
    pub(crate) ratio: f64,
}

const fn goal(figure: Figure, ratio: f64) -> Goal {
    Goal { figure, ratio }
}

const TIMES_3: &[Goal] = &[goal(Throughput, 3.0), goal(ServerCpu, 1.0 / 3.0)];
const TIMES_5: &[Goal] = &[goal(Throughput, 5.0), goal(ServerCpu, 1.0 / 5.0)];
const TIMES_8: &[Goal] = &[goal(Throughput, 8.0), goal(ServerCpu, 1.0 / 8.0)];
const FAST_ALONE: &[Goal] = &[goal(P50, 0.5), goal(P99, 1.0)];
const TIMES_3_FEWER_BYTES: &[Goal] = &[goal(Throughput, 3.0), goal(BytesWritten, 1.0)];
const EQUAL_FEWER_BYTES: &[Goal] = &[goal(Throughput, 1.0), goal(BytesWritten, 1.0)];

/// Sets of 64 bytes.
pub(crate) const SETS: Asked = Asked {
    set_percent: 100,
    value_bytes: 64,
    keys: KeySet::Few,
};
/// Gets of 64 bytes.
pub(crate) const GETS: Asked = Asked {
    set_percent: 0,
    ..SETS
};
/// Mostly gets, of many keys.
pub(crate) const MOSTLY_GETS: Asked = Asked {
    set_percent: 10,
    value_bytes: 64,
    keys: KeySet::Many,
};

const fn unary(
    name: &'static str,
    title: &'static str,
    in_flight: usize,
    asked: Asked,
    goals: &'static [Goal],
) -> Cell {
    Cell {
        name,
        title,
        pace: Pace::InFlight(in_flight),
        path: ClientPath::Unary,
        asked,
        goals,
    }
}

const fn sized(value_bytes: usize) -> Asked {
    Asked {
        value_bytes,
        ..SETS
    }
}

/// The cell whose throughput says what rate both can sustain.
pub(crate) const RATE_CELL: &str = "set-64";

/// In this order. Large values come late: what they leave behind is compacted in the
/// background.
pub(crate) const CELLS: &[Cell] = &[
    unary("set-1", "Set, 1 in flight", 1, SETS, FAST_ALONE),
    unary("set-16", "Set, 16 in flight", 16, SETS, TIMES_3),
    unary(RATE_CELL, "Set, 64 in flight", 64, SETS, TIMES_3),
    unary("set-256", "Set, 256 in flight", 256, SETS, TIMES_5),
    Cell {
        pace: Pace::FixedRate,
        ..unary("set-rate", "Set, fixed rate", 0, SETS, &[])
    },
    Cell {
        path: ClientPath::Exchange,
        ..unary(
            "set-256-exchange",
            "Set, 256, batched clients",
            256,
            SETS,
            TIMES_8,
        )
    },
    unary("get-1", "Get, 1 in flight", 1, GETS, FAST_ALONE),
    unary("get-64", "Get, 64 in flight", 64, GETS, TIMES_3),
    unary("get-256", "Get, 256 in flight", 256, GETS, TIMES_3),
    Cell {
        path: ClientPath::Exchange,
        ..unary(
            "get-256-exchange",
            "Get, 256, batched clients",
            256,
            GETS,
            &[],
        )
    },
    unary(
        "set-1k",
        "Set of 1 KiB, 256 in flight",
        256,
        sized(1024),
        TIMES_3_FEWER_BYTES,
    ),
    unary(
        "mixed-zipf",
        "90 % Get, zipf, 256 in flight",
        256,
        MOSTLY_GETS,
        TIMES_3_FEWER_BYTES,
    ),
    unary(
        "set-64k",
        "Set of 64 KiB, 16 in flight",
        16,
        sized(64 * 1024),
        EQUAL_FEWER_BYTES,
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_goals_are_positive() {
        let names: BTreeSet<_> = CELLS.iter().map(|cell| cell.name).collect();
        assert_eq!(names.len(), CELLS.len());
        assert!(names.contains(RATE_CELL));
        let goals = CELLS.iter().flat_map(|cell| cell.goals);
        assert!(goals.into_iter().all(|goal| goal.ratio > 0.0));
    }
}
