//! Cuts of the network.

use super::{End, Faults};
use crate::network::{Direction, Route};

impl Faults {
    /// Loses everything that goes these ways.
    pub(super) fn cut(&self, ways: Vec<(Route, Direction)>) -> End {
        let text = format_args!("cut: {ways:?}");
        self.fleet.trace.event("cut", text);
        for &(route, direction) in &ways {
            self.fleet.conditions.cut(route, direction);
        }
        let fleet = self.fleet.clone();
        Box::new(move || {
            let text = format_args!("mended: {ways:?}");
            fleet.trace.event("mended", text);
            for &(route, direction) in &ways {
                fleet.conditions.mend(route, direction);
            }
        })
    }
}

/// The ways between these coordinators and these replicas, to and fro.
pub(super) fn both_ways(coordinators: &[usize], replicas: &[usize]) -> Vec<(Route, Direction)> {
    let mut ways = Vec::new();
    for &coordinator in coordinators {
        for &replica in replicas {
            let route = Route::Replica {
                coordinator,
                replica,
            };
            ways.extend([(route, Direction::Request), (route, Direction::Answer)]);
        }
    }
    ways
}
