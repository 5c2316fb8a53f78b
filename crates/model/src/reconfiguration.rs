//! The config object, and the coordinators that drive changes.

use crate::configs::{ConfigIndex, Origin};
use crate::invariant::{Invariant, Witness};
use crate::mutation::Mutation;
use crate::state::{Driver, Late, NONE, Phase, State};
use crate::step::Step;
use crate::world::{Successor, World};
use crate::{MAX_REPLICAS, Pair};

impl World {
    /// The steps of drivers, and the object's rollback.
    pub(crate) fn reconfiguration_steps(&self, state: &State, out: &mut Vec<Successor>) {
        for driver in 0..usize::from(self.scenario.drivers) {
            self.driver_steps(state, driver, out);
        }
        if state.budget.rollbacks == 0 {
            return;
        }
        for old in 0..self.configs.len() as ConfigIndex {
            if old != state.object && self.configs.descends(state.object, old) {
                self.step(state, Step::RollBack(old), out, |next| {
                    next.state.budget.rollbacks -= 1;
                    set_object(&mut next.state, old);
                });
            }
        }
    }

    fn driver_steps(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        let driver = state.drivers[index];
        if driver.content != state.object || !driver.current {
            self.step(state, Step::ReadObject(index), out, |next| {
                let unfinished = Late {
                    pair: driver.pair,
                    config: driver.content,
                };
                if self.has_scanned(driver) {
                    next.state.send_late(unfinished);
                }
                next.state.drivers[index] = Driver::reading(state.object);
            });
        }
        // No step leaves a config that is not active.
        if driver.content == NONE || !self.counts_as_active(state, driver.content) {
            return;
        }
        if self.configs.get(driver.content).next == 0 {
            self.idle_steps(state, index, out);
        } else {
            self.scans(state, index, out);
            self.transfers(state, index, out);
            self.endings(state, index, out);
        }
        self.put_back(state, index, out);
    }

    /// Begins a change.
    fn idle_steps(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        let driver = state.drivers[index];
        for (child, _) in self.configs.children(driver.content, index as u8) {
            if driver.current && state.agreed >> child & 1 == 0 {
                self.swap(state, index, child, out);
            }
        }
    }

    /// Seal, then scan: a page is read under the joint epoch only.
    fn scans(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        let driver = state.drivers[index];
        if self.has_scanned(driver) {
            return;
        }
        let current = self.configs.get(driver.content).current;
        for replica in (0..MAX_REPLICAS).filter(|r| current & !driver.scanned & 1 << r != 0) {
            let unsealed = self.planted(Mutation::NoSeal) && !state.replicas[replica].gone;
            if unsealed || self.serves(state, replica, driver.content) {
                self.step(state, Step::Scan(index, replica), out, |next| {
                    let pair = self.visible(&next.state, replica);
                    let driver = &mut next.state.drivers[index];
                    driver.scanned |= 1 << replica;
                    driver.pair = driver.pair.larger(pair);
                });
            }
        }
    }

    fn has_scanned(&self, driver: Driver) -> bool {
        if driver.content == NONE {
            return false;
        }
        match self.planted(Mutation::ScanOne) {
            true => driver.scanned != 0,
            false => self
                .configs
                .get(driver.content)
                .current_majority
                .passes(driver.scanned),
        }
    }

    fn transfers(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        let driver = state.drivers[index];
        if !self.has_scanned(driver) || driver.pair.is_unwritten() {
            return;
        }
        let next_group = self.configs.get(driver.content).next;
        for replica in (0..MAX_REPLICAS).filter(|r| next_group & !driver.acknowledged & 1 << r != 0)
        {
            if self.serves(state, replica, driver.content) {
                self.step(
                    state,
                    Step::Transfer(index, replica, driver.pair),
                    out,
                    |next| {
                        if self.store(next, replica, driver.pair) {
                            next.state.drivers[index].acknowledged |= 1 << replica;
                        }
                    },
                );
            }
        }
    }

    /// Whether the driver brought everything to a majority of the next group.
    fn has_transferred(&self, driver: Driver) -> bool {
        let acknowledged = driver.acknowledged;
        match self.mutation {
            Some(Mutation::FinishAfterNone) => true,
            _ if !self.has_scanned(driver) => false,
            _ if driver.pair.is_unwritten() => true,
            Some(Mutation::FinishAfterOne) => acknowledged != 0,
            _ => self
                .configs
                .get(driver.content)
                .next_majority
                .passes(acknowledged),
        }
    }

    /// Finish and abort: swaps of the very version that was acted on.
    fn endings(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        let driver = state.drivers[index];
        let fresh = self.planted(Mutation::FreshVersion);
        let version = if fresh { state.object } else { driver.content };
        if (driver.current || fresh) && self.has_transferred(driver) {
            let finished = self.configs.child(version, index as u8, Origin::Finish);
            if let Some(child) = finished {
                self.swap(state, index, child, out);
            }
        }
        let aborted = self
            .configs
            .child(driver.content, index as u8, Origin::Abort);
        if let Some(child) = aborted.filter(|_| driver.current) {
            self.swap(state, index, child, out);
        }
    }

    /// The object went back: what is active goes into it again.
    fn put_back(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        let driver = state.drivers[index];
        if !driver.current {
            return;
        }
        for config in 0..self.configs.len() as ConfigIndex {
            let newer = config != driver.content && self.configs.descends(config, driver.content);
            if newer && state.active >> config & 1 == 1 {
                self.swap(state, index, config, out);
            }
        }
    }

    fn swap(&self, state: &State, index: usize, config: ConfigIndex, out: &mut Vec<Successor>) {
        let is_new = state.agreed >> config & 1 == 0;
        let step = match is_new {
            true => Step::Swap(index, config),
            false => Step::PutBack(index, config),
        };
        self.step(state, step, out, |next| {
            let driver = next.state.drivers[index];
            if self.has_scanned(driver) {
                next.state.send_late(Late {
                    pair: driver.pair,
                    config: driver.content,
                });
            }
            // After a rollback the swap may make a config that never becomes active.
            let in_order = next.state.budget.rollbacks == self.scenario.rollbacks;
            if is_new && in_order {
                self.judge_finish(next, config);
            }
            if !is_new {
                next.shows(Witness::RollbackRepaired);
            }
            set_object(&mut next.state, config);
            next.state.agreed |= 1 << config;
            next.state.drivers[index] = Driver::IDLE;
        });
    }

    /// Whatever is done is at a majority of the group of a config that finishes a change: when it
    /// is swapped in, and when it becomes active.
    pub(crate) fn judge_finish(&self, next: &mut Successor, config: ConfigIndex) {
        let entry = self.configs.get(config);
        if entry.origin != Origin::Finish {
            return;
        }
        let state = &next.state;
        let mut done = state.operations.iter().filter(|o| o.phase == Phase::Done);
        let uncovered = done.any(|operation| {
            let covers = |pair: Pair| pair.stamp() >= operation.pair.stamp();
            let covered = state.replicas_that(|replica| covers(replica.pair));
            !entry.current_majority.passes(covered)
        });
        if uncovered {
            next.breaks(Invariant::CoveredAtFinish);
        }
    }
}

/// A new version: what was read before is not current any more.
fn set_object(state: &mut State, content: ConfigIndex) {
    state.object = content;
    for driver in &mut state.drivers {
        driver.current = false;
    }
}
