//! A scenario with its configs and at most one planted bug: what can happen next.

use crate::configs::{ConfigIndex, Configs};
use crate::invariant::{Invariant, Invariants, Witness, Witnesses};
use crate::mutation::Mutation;
use crate::scenario::Scenario;
use crate::state::{Budget, Driver, Late, NONE, State};
use crate::step::Step;

/// A state that is one step away.
#[derive(Debug, Clone)]
pub struct Successor {
    /// The step.
    pub step: Step,
    /// Where it leads.
    pub state: State,
    /// What it breaks.
    pub broken: Invariants,
    /// What it shows to be possible.
    pub witnesses: Witnesses,
}

/// A small world and its rules.
#[derive(Debug)]
pub struct World {
    /// What is explored.
    pub scenario: Scenario,
    /// Its configs.
    pub configs: Configs,
    /// The planted bug.
    pub mutation: Option<Mutation>,
}

impl World {
    /// The right protocol, or one with a planted bug.
    pub fn new(scenario: Scenario, mutation: Option<Mutation>) -> Self {
        let configs = Configs::new(&scenario);
        Self {
            scenario,
            configs,
            mutation,
        }
    }

    /// Whether this bug is planted.
    pub(crate) fn planted(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Where it begins.
    pub fn initial(&self) -> State {
        let scenario = &self.scenario;
        let budget = Budget {
            rollbacks: scenario.rollbacks,
            losses: scenario.losses,
            crashes: scenario.crashes,
        };
        State::initial(scenario.first, budget)
    }

    /// Everything that can happen next, always in the same order.
    pub fn successors(&self, state: &State, out: &mut Vec<Successor>) {
        out.clear();
        self.operation_steps(state, out);
        self.replica_steps(state, out);
        self.reconfiguration_steps(state, out);
    }

    /// Adds the successor that `change` makes.
    pub(crate) fn step(
        &self,
        state: &State,
        step: Step,
        out: &mut Vec<Successor>,
        change: impl FnOnce(&mut Successor),
    ) {
        let mut successor = Successor {
            step,
            state: state.clone(),
            broken: 0,
            witnesses: 0,
        };
        change(&mut successor);
        self.settle(&mut successor.state);
        if successor.state != *state || successor.broken != 0 || successor.witnesses != 0 {
            out.push(successor);
        }
    }

    /// Forgets what cannot matter any more, so that equal futures are equal states.
    fn settle(&self, state: &mut State) {
        for index in 0..state.drivers.len() {
            let driver = state.drivers[index];
            let stale = driver.content != NONE && !driver.current;
            let joint = driver.content != NONE && self.configs.get(driver.content).next != 0;
            if stale && !joint && !self.planted(Mutation::FreshVersion) {
                state.drivers[index] = Driver::IDLE;
            }
        }
        if !matches!(
            self.mutation,
            Some(Mutation::BackgroundFollows | Mutation::StaleNotFenced | Mutation::NoLineage)
        ) {
            state.forget_late(|state, late| self.is_void(state, late));
        }
    }

    /// Whether no member can store this write any more.
    fn is_void(&self, state: &State, late: Late) -> bool {
        let members = self.configs.get(late.config).members;
        let replicas = state.replicas.iter().enumerate();
        let mut members = replicas.filter(|(index, _)| members >> index & 1 == 1);
        members.all(|(_, replica)| {
            let beaten = replica.pair.stamp() >= late.pair.stamp();
            let wipes = self.scenario.losses > 0 && self.mutation.is_some();
            replica.gone || beaten && !wipes || self.is_ahead(replica.synced_config, late.config)
        })
    }

    /// Whether a replica that holds `held` never serves `config` again.
    fn is_ahead(&self, held: ConfigIndex, config: ConfigIndex) -> bool {
        let amnesia = self.planted(Mutation::AmnesiacCounted);
        held != NONE && !amnesia && self.configs.epoch(held) > self.configs.epoch(config)
    }
}

impl Successor {
    /// Records what is broken.
    pub(crate) fn breaks(&mut self, invariant: Invariant) {
        self.broken |= invariant.bit();
    }

    /// Records what is possible.
    pub(crate) fn shows(&mut self, witness: Witness) {
        self.witnesses |= witness.bit();
    }
}
