//! Hunting planted bugs: a judge is trusted only after it caught what it is there for.

use std::fmt;

use quorate_register::mutation::{Mutation, plant};

use crate::invariant::Invariant;
use crate::run::{Run, simulate};
use crate::settings::{Scenario, Settings};

/// How a planted bug was caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Catch {
    /// The seed that caught it, and so how many before it do not.
    pub seed: u64,
    /// What was broken.
    pub invariant: Invariant,
}

/// What a hunt found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hunt {
    /// What was planted.
    pub mutation: Mutation,
    /// In which runs it was hunted.
    pub scenario: Scenario,
    /// The first seed in which any invariant was broken.
    pub first: Option<Catch>,
    /// The first seed in which clients themselves could tell, without a look at a disk: their
    /// history is not linearizable, or their operations do not end.
    pub by_clients: Option<Catch>,
}

/// Runs seeds with the bug planted on this thread until it is caught in both ways, at most `bound`
/// of them; once the judges caught it, clients have `patience` further ones.
pub fn hunt(mutation: Mutation, bound: u64, patience: u64) -> Hunt {
    let scenario = match mutation {
        Mutation::ScanNotSealed | Mutation::FenceNotAtomicWithRead => Scenario::Lagging,
        _ if ONLY_WHERE_MEMBERS_CHANGE.contains(&mutation) => Scenario::Changing,
        _ => Scenario::Any,
    };
    let mut found = Hunt {
        mutation,
        scenario,
        first: None,
        by_clients: None,
    };
    let begin = first_seed(mutation);
    for seed in begin..begin + bound {
        if found
            .first
            .is_some_and(|first| seed > first.seed + patience)
        {
            break;
        }
        let run = simulate_planted(mutation, &scenario.settings(seed));
        let broken = || run.broken.iter().map(|broken| broken.invariant);
        let catch = |invariant| Catch { seed, invariant };
        found.first = found.first.or(broken().next().map(catch));
        let visible =
            |invariant: &_| matches!(invariant, Invariant::Linearizable | Invariant::Liveness);
        found.by_clients = found.by_clients.or(broken().find(visible).map(catch));
        if found.by_clients.is_some() {
            break;
        }
    }
    found
}

/// Where the hunt of a bug begins that hides so well that it would take minutes from 0: some seeds
/// before the first one that catches it, which a hunt from 0 found.
fn first_seed(mutation: Mutation) -> u64 {
    match mutation {
        Mutation::AmnesiacCounted => 1_800,
        Mutation::ActiveNotRecorded => 1_400,
        Mutation::ActivatedByNextGroup => 1_000,
        _ => 0,
    }
}

/// What a joint config, its beginning or its end shows, and nothing else.
const ONLY_WHERE_MEMBERS_CHANGE: &[Mutation] = &[
    Mutation::FastPathOnCurrentOnly,
    Mutation::FastPathOnNextOnly,
    Mutation::UnionMajority,
    Mutation::JointWritesToCurrentOnly,
    Mutation::JointWritesToNextOnly,
    Mutation::JointReadsOfCurrentOnly,
    Mutation::JointReadsOfNextOnly,
    Mutation::WriteBackToCurrentOnly,
    Mutation::StaleNotFenced,
    Mutation::FenceNotAtomicWithStore,
    Mutation::SealNotDurable,
    Mutation::LineageWithoutActivation,
    Mutation::ActivatedByNextGroup,
    Mutation::RetiredOnInactive,
    Mutation::ScanOfOneMember,
    Mutation::TransferNotAwaited,
    Mutation::FinishWithFreshVersion,
];

/// A run with a bug planted.
pub fn simulate_planted(mutation: Mutation, settings: &Settings) -> Run {
    plant(Some(mutation));
    let run = simulate(settings);
    plant(None);
    run
}

/// A row of the table: name, and per way the seeds needed, what was broken, and the seed.
impl fmt::Display for Hunt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let catch = |catch: Option<Catch>| match catch {
            Some(Catch { seed, invariant }) => {
                format!("{:>5} | {:>5} | {:<22}", seed + 1, seed, invariant.name())
            }
            None => format!("{:>5} | {:>5} | {:<22}", "-", "-", "not caught"),
        };
        let name = self.mutation.name();
        let scenario = match self.scenario {
            Scenario::Any => "any",
            Scenario::Changing => "changing",
            Scenario::Lagging => "lagging",
        };
        let (first, by_clients) = (catch(self.first), catch(self.by_clients));
        write!(f, "| {name:<62} | {scenario:<8} | {first} | {by_clients} |")
    }
}
