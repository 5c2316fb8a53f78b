//! Replicas: fence, store, sync, adopt; and what happens to disks and processes.

use crate::configs::{ConfigIndex, FenceAnswer, Origin};
use crate::invariant::{Invariant, Witness};
use crate::mutation::Mutation;
use crate::pair::Pair;
use crate::state::{Late, NONE, Phase, State};
use crate::step::Step;
use crate::world::{Successor, World};
use crate::{MAX_REPLICAS, Replicas};

impl World {
    /// Whether a replica serves a request under `asked`.
    pub(crate) fn serves(&self, state: &State, replica: usize, asked: ConfigIndex) -> bool {
        let replica = &state.replicas[replica];
        if replica.gone || replica.held == NONE {
            return false;
        }
        if self.planted(Mutation::NoLineage) {
            return self.configs.epoch(replica.held) == self.configs.epoch(asked);
        }
        match self.configs.fence(replica.held, asked) {
            FenceAnswer::Serve => true,
            FenceAnswer::Stale => self.planted(Mutation::StaleNotFenced),
            FenceAnswer::Need | FenceAnswer::Fork => false,
        }
    }

    /// What a read finds.
    pub(crate) fn visible(&self, state: &State, replica: usize) -> Pair {
        let replica = &state.replicas[replica];
        if self.planted(Mutation::ReadUnsynced) {
            return replica.pair.larger(replica.queued);
        }
        replica.pair
    }

    /// Stores a pair behind the fence; whether it is acknowledged. What is queued is acknowledged
    /// when the request comes again after the sync.
    pub(crate) fn store(&self, next: &mut Successor, replica: usize, pair: Pair) -> bool {
        let found = next.state.replicas[replica];
        for other in [found.pair, found.queued] {
            if other.stamp() == pair.stamp() && other != pair {
                next.breaks(Invariant::OneValuePerTimestamp);
            }
        }
        if pair.stamp() < found.pair.stamp() && self.planted(Mutation::LateRefused) {
            return false;
        }
        if pair.stamp() <= found.pair.stamp() {
            return true;
        }
        let stored = &mut next.state.replicas[replica];
        if !self.scenario.unsynced {
            stored.pair = pair;
            return true;
        }
        let beaten = pair.stamp() < found.queued.stamp();
        stored.queued = found.queued.larger(pair);
        let acknowledged =
            self.planted(Mutation::AckBeforePersist) || beaten && self.planted(Mutation::AckBeaten);
        if acknowledged {
            next.breaks(Invariant::AcknowledgedMeansSynced);
        }
        acknowledged
    }

    /// The steps of replicas by themselves, and of late writes and configs that reach them.
    pub(crate) fn replica_steps(&self, state: &State, out: &mut Vec<Successor>) {
        for late in state.late.into_iter().filter(|late| *late != Late::NONE) {
            self.late_steps(state, late, out);
        }
        for index in 0..MAX_REPLICAS {
            if state.replicas[index].gone {
                continue;
            }
            self.adoptions(state, index, out);
            self.faults(state, index, out);
        }
    }

    fn late_steps(&self, state: &State, late: Late, out: &mut Vec<Successor>) {
        for index in 0..MAX_REPLICAS {
            let is_member = |config| self.configs.get(config).members >> index & 1 == 1;
            if is_member(late.config) && self.serves(state, index, late.config) {
                self.step(state, Step::Late(late, index), out, |next| {
                    self.store(next, index, late.pair);
                });
            }
            if !self.planted(Mutation::BackgroundFollows) {
                continue;
            }
            let held = state.replicas[index].held;
            if held != NONE && held != late.config && state.active >> held & 1 == 1 {
                self.step(state, Step::Resend(late, held, index), out, |next| {
                    self.store(next, index, late.pair);
                    next.breaks(Invariant::BackgroundKeepsItsConfig);
                });
            }
        }
    }

    /// Adopt is sent to those that activate a config, and to everybody once it is active.
    fn adoptions(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        for config in (0..self.configs.len() as ConfigIndex).filter(|c| state.agreed >> c & 1 == 1)
        {
            let entry = self.configs.get(config);
            let offered = self.counts_as_active(state, config)
                || entry.activators >> index & 1 == 1
                || self.planted(Mutation::ActivatedByNext) && entry.members >> index & 1 == 1;
            if !offered || !self.adopts(state, index, config) {
                continue;
            }
            self.step(state, Step::Adopt(index, config), out, |next| {
                let old = next.state.replicas[index].held;
                if old != NONE && self.configs.epoch(old) >= self.configs.epoch(config) {
                    next.breaks(Invariant::ConfigNeverGoesBack);
                }
                let replica = &mut next.state.replicas[index];
                replica.held = config;
                if !self.planted(Mutation::SealNotDurable) {
                    replica.synced_config = config;
                }
                self.note_activations(next);
            });
        }
    }

    fn adopts(&self, state: &State, index: usize, config: ConfigIndex) -> bool {
        let held = state.replicas[index].held;
        if held == NONE {
            return self.configs.empty_adopts(index, config);
        }
        if self.planted(Mutation::NoLineage) {
            return self.configs.epoch(config) > self.configs.epoch(held);
        }
        self.configs.adopts(held, config)
    }

    /// Whether coordinators take a config for active.
    pub(crate) fn counts_as_active(&self, state: &State, config: ConfigIndex) -> bool {
        let facts = match self.planted(Mutation::NoActivation) {
            true => state.agreed,
            false => state.active,
        };
        facts >> config & 1 == 1
    }

    /// The replicas that hold a config or a descendant, or did until their disk was lost.
    fn holders(&self, state: &State, config: ConfigIndex) -> Replicas {
        state.replicas_that(|replica| {
            if replica.held == NONE {
                return false;
            }
            if self.planted(Mutation::NoLineage) {
                return self.configs.epoch(replica.held) >= self.configs.epoch(config);
            }
            self.configs.descends(replica.held, config)
        })
    }

    fn note_activations(&self, next: &mut Successor) {
        for config in 0..self.configs.len() as ConfigIndex {
            let entry = self.configs.get(config);
            let (Some(parent), bit) = (entry.parent, 1 << config) else {
                continue;
            };
            if next.state.agreed & bit == 0 || next.state.active & bit != 0 {
                continue;
            }
            let holders = self.holders(&next.state, config);
            let by_next = self.configs.get(parent).next_majority.passes(holders);
            let active = match entry.origin {
                _ if self.planted(Mutation::ActivatedByNext) => by_next,
                Origin::Abort if self.planted(Mutation::AbortNeedsNext) => {
                    by_next && entry.activated.passes(holders)
                }
                _ => entry.activated.passes(holders),
            };
            if active {
                next.state.active |= bit;
                self.judge_path(next, config);
                self.judge_finish(next, config);
                self.witness_activation(next, config, parent);
            }
        }
    }

    fn judge_path(&self, next: &mut Successor, config: ConfigIndex) {
        let active = next.state.active;
        let mut others = (0..self.configs.len() as ConfigIndex).filter(|c| active >> c & 1 == 1);
        let related =
            |other| self.configs.descends(config, other) || self.configs.descends(other, config);
        if !others.all(related) {
            next.breaks(Invariant::ActiveConfigsFormOnePath);
        }
    }

    fn witness_activation(&self, next: &mut Successor, config: ConfigIndex, parent: ConfigIndex) {
        let joint = self.configs.get(parent);
        let untouched = next.state.replicas_that(|r| r.held == NONE || r.held == 0);
        match self.configs.get(config).origin {
            Origin::Finish if untouched & joint.current != 0 => {
                next.shows(Witness::FinishedWithOneDown)
            }
            Origin::Abort
                if untouched & joint.next & !joint.current == joint.next & !joint.current =>
            {
                next.shows(Witness::AbortedWithoutNext);
            }
            _ => {}
        }
    }

    fn faults(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        let replica = state.replicas[index];
        if !replica.queued.is_unwritten() {
            self.step(state, Step::Sync(index), out, |next| {
                let replica = &mut next.state.replicas[index];
                replica.pair = replica.pair.larger(replica.queued);
                replica.queued = Pair::UNWRITTEN;
            });
        }
        let loses = !replica.queued.is_unwritten() || replica.held != replica.synced_config;
        if loses && state.budget.crashes > 0 {
            self.step(state, Step::Crash(index), out, |next| {
                next.state.budget.crashes -= 1;
                let replica = &mut next.state.replicas[index];
                replica.queued = Pair::UNWRITTEN;
                if replica.held != replica.synced_config {
                    replica.held = replica.synced_config;
                    next.breaks(Invariant::ConfigNeverGoesBack);
                }
            });
        }
        if state.budget.losses > 0 {
            self.step(state, Step::Lose(index), out, |next| self.lose(next, index));
        }
        let read = self.configs.get(state.object);
        let proven =
            state.active >> state.object & 1 == 1 || self.planted(Mutation::RetireInactive);
        let older = replica.held == NONE
            || self.configs.epoch(state.object) < self.configs.epoch(replica.held);
        if self.scenario.retires && proven && !older && read.members >> index & 1 == 0 {
            self.step(state, Step::Retire(index), out, |next| {
                next.state.replicas[index].gone = true;
                next.shows(Witness::Retired);
                let all = 0..self.configs.len() as ConfigIndex;
                let active = all.filter(|c| next.state.active >> c & 1 == 1);
                let newest = active.max_by_key(|&c| self.configs.epoch(c)).unwrap_or(0);
                if self.configs.get(newest).members >> index & 1 == 1 {
                    next.breaks(Invariant::OnlyOutsidersRetire);
                }
            });
        }
    }

    /// A disk is gone for good, unless a bug counts what is in its place.
    fn lose(&self, next: &mut Successor, index: usize) {
        next.state.budget.losses -= 1;
        let replica = &mut next.state.replicas[index];
        let back_to = match self.mutation {
            Some(Mutation::AmnesiacCounted) if self.scenario.first >> index & 1 == 1 => 0,
            Some(Mutation::AmnesiacCounted | Mutation::WipeKeepsId) => NONE,
            _ => {
                replica.gone = true;
                replica.queued = Pair::UNWRITTEN;
                return;
            }
        };
        replica.pair = Pair::UNWRITTEN;
        replica.queued = Pair::UNWRITTEN;
        replica.held = back_to;
        replica.synced_config = back_to;
    }

    /// Whether every operation that began is done.
    pub(crate) fn all_done(&self, state: &State) -> bool {
        let operations = state.operations.iter().take(self.scenario.operations.len());
        operations
            .into_iter()
            .all(|operation| operation.phase == Phase::Done)
    }
}
