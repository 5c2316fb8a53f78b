//! What the network is like now.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::settings::Weather;

/// From whom to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    /// From a client to a coordinator.
    Client {
        /// Whose coordinator.
        coordinator: usize,
    },
    /// From a coordinator to a replica.
    Replica {
        /// Who asks.
        coordinator: usize,
        /// Who is asked.
        replica: usize,
    },
}

/// Which way on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// To the host.
    Request,
    /// Back from it.
    Answer,
}

/// The weather and the cuts, shared by all links.
pub(crate) struct Conditions {
    state: Mutex<State>,
}

struct State {
    weather: Weather,
    cuts: BTreeSet<(Route, Direction)>,
}

impl Conditions {
    /// This weather and no cut.
    pub(crate) fn new(weather: Weather) -> Self {
        Self {
            state: Mutex::new(State {
                weather,
                cuts: BTreeSet::new(),
            }),
        }
    }

    /// The weather now.
    pub(crate) fn weather(&self) -> Weather {
        self.state.lock().weather.clone()
    }

    /// Loses everything that would arrive this way from now on.
    pub(crate) fn cut(&self, route: Route, direction: Direction) {
        self.state.lock().cuts.insert((route, direction));
    }

    /// Ends a cut.
    pub(crate) fn mend(&self, route: Route, direction: Direction) {
        self.state.lock().cuts.remove(&(route, direction));
    }

    /// Whether everything is lost this way.
    pub(crate) fn is_cut(&self, route: Route, direction: Direction) -> bool {
        self.state.lock().cuts.contains(&(route, direction))
    }

    /// Ends all cuts and losses; messages still take their time and overtake each other.
    pub(crate) fn heal(&self) {
        let mut state = self.state.lock();
        state.cuts.clear();
        state.weather = Weather {
            slow: 0.0,
            lost: 0.0,
            duplicated: 0.0,
            ..state.weather.clone()
        };
    }
}
