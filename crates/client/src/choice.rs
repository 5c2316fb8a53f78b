//! Which endpoint a call goes to. Pure: time and randomness are passed in.

use tokio::time::Instant;

use crate::backoff;

/// What is known of all endpoints.
#[derive(Debug)]
pub(crate) struct Standings {
    standings: Vec<Standing>,
    /// The one that calls go to while it is good.
    preferred: usize,
}

#[derive(Debug, Clone)]
struct Standing {
    state: State,
    /// In a row.
    failures: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// It answered last time, or was never asked.
    Good,
    /// It can be asked, but until then others are better.
    Avoided { until: Instant },
    /// It could not be reached, and is not tried again until then.
    Held { until: Instant, problem: String },
}

/// Why an endpoint is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It cannot be reached.
    Unreachable {
        /// Why, for people.
        problem: String,
    },
    /// It answers late, or that it cannot serve.
    Unfit,
}

/// What a call does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Ask this one.
    Use(usize),
    /// None can be reached; the first one may be tried again then.
    Wait(Instant),
}

impl Standings {
    /// Of `count` endpoints, at least one, the first of which to use is `preferred`, less
    /// than `count`.
    pub(crate) fn new(count: usize, preferred: usize) -> Self {
        assert!(preferred < count, "the preferred endpoint is one of them");
        let standing = Standing {
            state: State::Good,
            failures: 0,
        };
        Self {
            standings: vec![standing; count],
            preferred,
        }
    }

    /// The best endpoint for a call that has `tried` some, and is better off with another.
    pub(crate) fn choose(&self, now: Instant, tried: &[bool]) -> Choice {
        let candidates = self.ring().filter_map(|index| {
            let rank = self.rank(index, now)?;
            let tried = tried.get(index).copied().unwrap_or_default();
            Some(((rank, tried), index))
        });
        // Of equals the first in the ring: the preferred one, or who follows it.
        if let Some((_, index)) = candidates.min_by_key(|(order, _)| *order) {
            return Choice::Use(index);
        }
        let held = self.standings.iter().filter_map(Standing::held_until);
        Choice::Wait(held.min().unwrap_or(now))
    }

    /// Notes that an endpoint answered.
    pub(crate) fn answered(&mut self, index: usize) {
        self.standings[index].state = State::Good;
        self.standings[index].failures = 0;
    }

    /// Notes that an endpoint failed; `fraction` is random, from 0 to 1. All calls that fail
    /// together count as one failure.
    pub(crate) fn failed(&mut self, index: usize, fault: Fault, now: Instant, fraction: f64) {
        let standing = &mut self.standings[index];
        let known = match (&standing.state, &fault) {
            (State::Held { until, .. }, _) => *until > now,
            (State::Avoided { until }, Fault::Unfit) => *until > now,
            _ => false,
        };
        if known {
            return;
        }
        standing.failures = standing.failures.saturating_add(1);
        standing.state = match fault {
            Fault::Unreachable { problem } => State::Held {
                until: now + backoff::hold(standing.failures, fraction),
                problem,
            },
            Fault::Unfit => State::Avoided {
                until: now + backoff::avoid(standing.failures, fraction),
            },
        };
        if let Choice::Use(better) = self.choose(now, &[])
            && index == self.preferred
        {
            self.preferred = better;
        }
    }

    /// The endpoints that cannot be reached as far as is known, and why.
    pub(crate) fn unreachable(&self) -> impl Iterator<Item = (usize, &str)> {
        let standings = self.standings.iter().enumerate();
        standings.filter_map(|(index, standing)| match &standing.state {
            State::Held { problem, .. } => Some((index, problem.as_str())),
            _ => None,
        })
    }

    /// Whether there is another endpoint than this one that could be asked.
    pub(crate) fn has_alternative(&self, index: usize, now: Instant) -> bool {
        self.ring()
            .any(|other| other != index && self.rank(other, now).is_some())
    }

    fn ring(&self) -> impl Iterator<Item = usize> {
        let count = self.standings.len();
        (0..count).map(move |step| (self.preferred + step) % count)
    }

    /// How willingly an endpoint is asked, 0 first; `None` while it is held.
    fn rank(&self, index: usize, now: Instant) -> Option<u8> {
        match &self.standings[index].state {
            State::Good => Some(0),
            State::Held { until, .. } if *until > now => None,
            State::Avoided { until } if *until > now => Some(2),
            State::Held { .. } | State::Avoided { .. } => Some(1),
        }
    }
}

impl Standing {
    fn held_until(&self) -> Option<Instant> {
        match self.state {
            State::Held { until, .. } => Some(until),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
