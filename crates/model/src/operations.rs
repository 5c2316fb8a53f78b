//! Get and Set, request by request.

use crate::configs::{ConfigIndex, Origin};
use crate::history::{in_order, linearizable, value_of_set};
use crate::invariant::{Invariant, Witness};
use crate::mutation::Mutation;
use crate::scenario::Kind;
use crate::state::{Late, Operation, Phase, State};
use crate::step::Step;
use crate::world::{Successor, World};
use crate::{MAX_REPLICAS, Replicas};

impl World {
    /// The steps of all operations.
    pub(crate) fn operation_steps(&self, state: &State, out: &mut Vec<Successor>) {
        for index in 0..self.scenario.operations.len() {
            match state.operations[index].phase {
                Phase::Waiting => self.begin(state, index, out),
                Phase::Reading | Phase::Writing => {
                    self.requests(state, index, out);
                    self.follow(state, index, out);
                }
                Phase::Done => {}
            }
        }
    }

    /// Under the first config, which every coordinator may believe in; it follows from there.
    fn begin(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        let kinds = self.scenario.operations;
        // Gets are alike: they begin in the order of their numbers.
        let twin = index > 0 && kinds[index] == Kind::Get && kinds[index - 1] == Kind::Get;
        if twin && state.operations[index - 1].phase == Phase::Waiting {
            return;
        }
        self.step(state, Step::Begin(index), out, |next| {
            next.state.operations[index] = Operation {
                phase: Phase::Reading,
                before: state.done(),
                ..Operation::WAITING
            };
        });
    }

    fn requests(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        let operation = state.operations[index];
        let reading = operation.phase == Phase::Reading;
        let forgetful = match self.mutation {
            Some(Mutation::StoreNotAtomic) => !reading,
            Some(Mutation::ReadNotAtomic) => reading,
            _ => false,
        };
        for replica in 0..MAX_REPLICAS {
            if self.configs.get(operation.config).members >> replica & 1 == 0 {
                continue;
            }
            let serves = self.serves(state, replica, operation.config);
            let passed = operation.passed >> replica & 1 == 1;
            if forgetful && serves && !passed {
                self.step(state, Step::Pass(index, replica), out, |next| {
                    next.state.operations[index].passed |= 1 << replica;
                });
            }
            let answered = operation.answered >> replica & 1 == 1;
            let again = answered && self.planted(Mutation::DuplicatesCounted);
            if !(serves || passed) || answered && !again {
                continue;
            }
            if reading {
                self.step(state, Step::Read(index, replica), out, |next| {
                    self.read(next, index, replica);
                });
                continue;
            }
            for heard in [true, false] {
                if heard || self.scenario.lost_answers {
                    self.step(state, Step::Write(index, replica, heard), out, |next| {
                        self.write(next, index, replica, heard);
                    });
                }
            }
        }
    }

    /// Counts an answer; a second one as that of another member, where the bug is planted.
    fn count(&self, next: &mut Successor, index: usize, replica: usize) {
        let operation = &mut next.state.operations[index];
        let members = self.configs.get(operation.config).members;
        let mut bit = 1 << replica;
        if operation.answered & bit != 0 {
            let silent = members & !operation.answered;
            bit = silent & silent.wrapping_neg();
        }
        operation.answered |= bit;
    }

    fn read(&self, next: &mut Successor, index: usize, replica: usize) {
        let found = self.visible(&next.state, replica);
        self.count(next, index, replica);
        let operation = &mut next.state.operations[index];
        if found.stamp() > operation.pair.stamp() {
            operation.pair = found;
            operation.reporters = 0;
        }
        if found == operation.pair {
            operation.reporters |= 1 << replica;
        }
        let operation = *operation;
        if !self.read_quorum(index, operation.config, operation.answered) {
            return;
        }
        let kept = if self.planted(Mutation::RoundsMixed) {
            operation.answered
        } else {
            0
        };
        let shared = self.planted(Mutation::TimestampShared);
        let current = &mut next.state.operations[index];
        current.phase = Phase::Writing;
        current.reporters = 0;
        current.passed = 0;
        match self.scenario.operations[index] {
            Kind::Set => {
                let value = value_of_set(index);
                current.answered = kept;
                current.pair = operation
                    .pair
                    .successor(if shared { 1 } else { value }, value);
            }
            Kind::Get => {
                current.answered = operation.reporters | kept;
                let fast = self.fast_path(operation.config, operation.reporters);
                if fast || self.planted(Mutation::NoWriteBack) {
                    self.complete(next, index);
                    return;
                }
            }
        }
        self.end_write(next, index);
    }

    fn write(&self, next: &mut Successor, index: usize, replica: usize, heard: bool) {
        let pair = next.state.operations[index].pair;
        let overtaken = next.state.replicas[replica].pair.stamp() > pair.stamp();
        if !self.store(next, replica, pair) || !heard {
            return;
        }
        self.count(next, index, replica);
        self.end_write(next, index);
        let done = next.state.operations[index].phase == Phase::Done;
        if done && overtaken && self.scenario.operations[index] == Kind::Set {
            next.shows(Witness::OvertakenSetDone);
        }
    }

    fn end_write(&self, next: &mut Successor, index: usize) {
        let operation = next.state.operations[index];
        if self.write_quorum(index, operation.config, operation.answered) {
            self.complete(next, index);
        }
    }

    /// Ends an operation, and judges what its client sees.
    fn complete(&self, next: &mut Successor, index: usize) {
        let kinds = self.scenario.operations;
        let operation = next.state.operations[index];
        next.state.send_late(Late {
            pair: operation.pair,
            config: operation.config,
        });
        next.state.operations[index] = Operation {
            phase: Phase::Done,
            pair: operation.pair,
            before: operation.before,
            ..Operation::WAITING
        };
        let operations = next.state.operations;
        if !linearizable(kinds, &operations) {
            next.breaks(Invariant::Linearizable);
        }
        let earlier = operations.iter().enumerate();
        let earlier = earlier.filter(|(other, _)| operation.before >> other & 1 == 1);
        if !in_order(
            kinds[index],
            operation.pair,
            earlier.map(|(_, other)| other.pair),
        ) {
            next.breaks(Invariant::TimestampsInOrder);
        }
        next.shows(match self.configs.get(operation.config).origin {
            Origin::First => Witness::DoneUnderFirst,
            Origin::Joint(_) => Witness::DoneUnderJoint,
            Origin::Finish => Witness::DoneUnderFinished,
            Origin::Abort => Witness::DoneUnderAborted,
        });
        if operation.config != 0 && self.all_done(&next.state) {
            next.shows(Witness::AllDoneAfterChange);
        }
    }

    /// A newer active config becomes known: all replies of the round are dropped.
    fn follow(&self, state: &State, index: usize, out: &mut Vec<Successor>) {
        let operation = state.operations[index];
        let writing = operation.phase == Phase::Writing;
        let is_set = self.scenario.operations[index] == Kind::Set;
        let late = Late {
            pair: operation.pair,
            config: operation.config,
        };
        for config in 0..self.configs.len() as ConfigIndex {
            let newer = config != operation.config
                && match self.planted(Mutation::NoLineage) {
                    true => self.configs.epoch(config) > self.configs.epoch(operation.config),
                    false => self.configs.descends(config, operation.config),
                };
            if !newer || !self.counts_as_active(state, config) {
                continue;
            }
            self.step(state, Step::Follow(index, config), out, |next| {
                if writing {
                    next.state.send_late(late);
                }
                let again = &mut next.state.operations[index];
                *again = restarted(operation, writing && is_set);
                again.config = config;
            });
        }
        if writing && is_set && self.planted(Mutation::Repicked) {
            self.step(state, Step::Repick(index), out, |next| {
                next.state.send_late(late);
                next.state.operations[index] = restarted(operation, false);
            });
        }
    }

    fn read_quorum(&self, index: usize, config: ConfigIndex, answered: Replicas) -> bool {
        let entry = self.configs.get(config);
        let is_get = self.scenario.operations[index] == Kind::Get;
        match self.mutation {
            Some(Mutation::ReadyPods) => answered != 0,
            Some(Mutation::JointReadsCurrent) if is_get => entry.current_majority.passes(answered),
            Some(Mutation::JointReadsNext) if is_get => entry.next_majority.passes(answered),
            Some(Mutation::UnionMajority) => entry.union_majority.passes(answered),
            _ => entry.reached.passes(answered),
        }
    }

    fn fast_path(&self, config: ConfigIndex, reporters: Replicas) -> bool {
        let entry = self.configs.get(config);
        match self.mutation {
            Some(Mutation::ReadyPods | Mutation::FastPathOnOne) => reporters != 0,
            Some(Mutation::FastPathCurrent | Mutation::JointReadsCurrent) => {
                entry.current_majority.passes(reporters)
            }
            Some(Mutation::FastPathNext | Mutation::JointReadsNext) => {
                entry.next_majority.passes(reporters)
            }
            Some(Mutation::UnionMajority) => entry.union_majority.passes(reporters),
            _ => entry.reached.passes(reporters),
        }
    }

    fn write_quorum(&self, index: usize, config: ConfigIndex, answered: Replicas) -> bool {
        let entry = self.configs.get(config);
        let is_get = self.scenario.operations[index] == Kind::Get;
        match self.mutation {
            Some(Mutation::ReadyPods) => answered != 0,
            Some(Mutation::JointWritesCurrent) => entry.current_majority.passes(answered),
            Some(Mutation::WriteBackCurrent) if is_get => entry.current_majority.passes(answered),
            Some(Mutation::JointWritesNext) => entry.next_majority.passes(answered),
            Some(Mutation::UnionMajority) => entry.union_majority.passes(answered),
            _ => entry.reached.passes(answered),
        }
    }
}

/// The operation as its phase begins again: a Set in phase two keeps its pair.
fn restarted(operation: Operation, keeps_pair: bool) -> Operation {
    let fresh = Operation {
        phase: Phase::Reading,
        config: operation.config,
        before: operation.before,
        ..Operation::WAITING
    };
    match keeps_pair {
        true => Operation {
            phase: Phase::Writing,
            pair: operation.pair,
            ..fresh
        },
        false => fresh,
    }
}
