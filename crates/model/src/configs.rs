//! Every config a scenario can come to, made by the program's transitions, with every answer of
//! the program's decisions about them looked up once.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_register::fence::{Adoption, judge_adoption};
use quorate_register::{
    Config, Entropy, Fence, HeldConfig, Member, MemberSet, ReplicaError, ReplicaId, majority,
};

use crate::scenario::Scenario;
use crate::{MAX_REPLICAS, Replicas};

/// The index of a config in its [`Configs`].
pub type ConfigIndex = u8;

/// A set of configs, by index.
pub(crate) type ConfigSet = u128;

/// How a config came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By bootstrap.
    First,
    /// By `Config::joint` with the target of this index.
    Joint(u8),
    /// By `Config::finish`.
    Finish,
    /// By `Config::abort`.
    Abort,
}

/// What a replica's fence answers, by the program's `Fence::check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FenceAnswer {
    /// The request is served.
    Serve,
    /// StaleEpoch.
    Stale,
    /// NeedConfig.
    Need,
    /// Fork.
    Fork,
}

/// Which sets of replicas pass a test: bit `s` says that of the set `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passing(u32);

impl Passing {
    fn of(mut test: impl FnMut(Replicas) -> bool) -> Self {
        let sets = 0..1u16 << MAX_REPLICAS;
        let passing = sets.filter(|&set| test(set as Replicas));
        Self(passing.fold(0, |bits, set| bits | 1 << set))
    }

    /// Whether this set passes.
    pub fn passes(self, set: Replicas) -> bool {
        self.0 >> set & 1 == 1
    }
}

/// A config and what the program decides about it.
#[derive(Debug)]
pub struct Entry {
    /// The program's config.
    pub config: Arc<Config>,
    /// Its parent.
    pub parent: Option<ConfigIndex>,
    /// How it came about.
    pub origin: Origin,
    /// Which driver made it: two that make the same change make two configs.
    pub driver: u8,
    /// All members.
    pub members: Replicas,
    /// The current group.
    pub current: Replicas,
    /// The next group, or none.
    pub next: Replicas,
    /// Who is offered it first.
    pub activators: Replicas,
    /// `Quorums::reached`.
    pub reached: Passing,
    /// `MemberSet::has_majority_in` the current group.
    pub current_majority: Passing,
    /// The same for the next group, or, when there is none, the current one.
    pub next_majority: Passing,
    /// A majority of the union, which is no quorum.
    pub union_majority: Passing,
    /// `Config::is_activated_by`.
    pub activated: Passing,
    /// It and all it descends from.
    pub lineage: ConfigSet,
}

/// All configs of a scenario.
#[derive(Debug)]
pub struct Configs {
    entries: Vec<Entry>,
    fences: Vec<FenceAnswer>,
    adopts: Vec<bool>,
}

struct Counter(AtomicU64);

impl Entropy for Counter {
    fn bits(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1
    }
}

/// The id of the replica with this index.
pub(crate) fn replica_id(replica: usize) -> ReplicaId {
    ReplicaId::from_bytes([replica as u8 + 1; 16])
}

fn group(replicas: Replicas) -> Vec<Member> {
    let listed = (0..MAX_REPLICAS).filter(|&replica| replicas >> replica & 1 == 1);
    let member = |replica| Member {
        replica_id: replica_id(replica),
        pod: format!("replica-{}", replica + 1),
    };
    listed.map(member).collect()
}

/// The members of `config` in `replicas`, as the program counts them.
fn members_of(config: &Config, replicas: Replicas) -> MemberSet {
    let in_set = |id| (0..MAX_REPLICAS).any(|r| replicas >> r & 1 == 1 && replica_id(r) == id);
    let members = config.members().iter().enumerate();
    let chosen = members.filter(|(_, member)| in_set(member.replica_id));
    chosen.map(|(index, _)| index).collect()
}

fn replicas_of(members: &[Member]) -> Replicas {
    let listed = (0..MAX_REPLICAS).filter(|&r| {
        members
            .iter()
            .any(|member| member.replica_id == replica_id(r))
    });
    listed.fold(0, |set, replica| set | 1 << replica)
}

impl Configs {
    /// The first config, and what the scenario's drivers can make of it.
    ///
    /// # Panics
    /// When the scenario leads to more than 128 configs.
    pub fn new(scenario: &Scenario) -> Self {
        let entropy = Counter(AtomicU64::new(0));
        let first = Config::first(group(scenario.first), &entropy).expect("a group");
        let mut entries = vec![Entry::new(first, None, Origin::First, 0, 1)];
        let mut at = 0;
        while at < entries.len() {
            if entries[at].config.epoch().number < scenario.last_epoch {
                for driver in 0..scenario.drivers {
                    for (origin, config) in
                        children(&entries[at].config, scenario, driver, &entropy)
                    {
                        let lineage = entries[at].lineage;
                        let parent = Some(at as ConfigIndex);
                        let mut entry = Entry::new(config, parent, origin, driver, lineage);
                        entry.lineage |= 1 << entries.len();
                        entries.push(entry);
                        assert!(entries.len() <= 128, "a set of configs has 128 bits");
                    }
                }
            }
            at += 1;
        }
        let fences = pairs(&entries, |held, asked| fence(&held.config, &asked.config));
        let adopts = pairs(&entries, |held, offered| {
            let held = HeldConfig {
                config: held.config.clone(),
                active: true,
            };
            let judged = judge_adoption(replica_id(0), Some(&held), &offered.config, false);
            judged == Ok(Adoption::Adopt)
        });
        Self {
            entries,
            fences,
            adopts,
        }
    }

    /// The config with this index.
    pub fn get(&self, index: ConfigIndex) -> &Entry {
        &self.entries[usize::from(index)]
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "there is always the first")]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What a replica that holds `held` answers to a request under `asked`.
    pub fn fence(&self, held: ConfigIndex, asked: ConfigIndex) -> FenceAnswer {
        self.fences[usize::from(held) * self.len() + usize::from(asked)]
    }

    /// Whether a replica that holds `held` adopts `offered`.
    pub fn adopts(&self, held: ConfigIndex, offered: ConfigIndex) -> bool {
        self.adopts[usize::from(held) * self.len() + usize::from(offered)]
    }

    /// Whether an empty disk adopts `offered`.
    pub fn empty_adopts(&self, replica: usize, offered: ConfigIndex) -> bool {
        let offered = &self.get(offered).config;
        judge_adoption(replica_id(replica), None, offered, false) == Ok(Adoption::Adopt)
    }

    /// Whether `config` is `ancestor` or descends from it.
    pub fn descends(&self, config: ConfigIndex, ancestor: ConfigIndex) -> bool {
        self.get(config).lineage >> ancestor & 1 == 1
    }

    /// The epoch's number.
    pub fn epoch(&self, config: ConfigIndex) -> u64 {
        self.get(config).config.epoch().number
    }

    /// The children that `driver` can make of `parent`.
    pub fn children(
        &self,
        parent: ConfigIndex,
        driver: u8,
    ) -> impl Iterator<Item = (ConfigIndex, Origin)> {
        let entries = self.entries.iter().enumerate();
        entries
            .filter(move |(_, entry)| entry.parent == Some(parent) && entry.driver == driver)
            .map(|(index, entry)| (index as ConfigIndex, entry.origin))
    }

    /// The child of this origin that `driver` can make of `parent`, unless that is beyond the
    /// scenario's last epoch.
    pub fn child(&self, parent: ConfigIndex, driver: u8, origin: Origin) -> Option<ConfigIndex> {
        let mut children = self.children(parent, driver);
        children
            .find(|&(_, of)| of == origin)
            .map(|(index, _)| index)
    }

    /// The config in a few characters: its epoch, its groups, and who made it.
    pub fn label(&self, index: ConfigIndex) -> String {
        let entry = self.get(index);
        let mut label = format!("e{} {{{}", self.epoch(index), names(entry.current));
        if entry.next != 0 {
            write!(label, " > {}", names(entry.next)).expect("a string takes all");
        }
        label.push('}');
        if entry.parent.is_some() {
            let mark = char::from(b'a' + index - 1);
            let mark = if mark.is_ascii_lowercase() {
                mark.to_string()
            } else {
                format!("#{index}")
            };
            write!(label, " {mark}").expect("a string takes all");
        }
        label
    }
}

/// The replicas by name.
pub(crate) fn names(replicas: Replicas) -> String {
    let listed = (0..MAX_REPLICAS).filter(|&replica| replicas >> replica & 1 == 1);
    let names: Vec<_> = listed.map(|replica| format!("r{}", replica + 1)).collect();
    names.join(",")
}

/// What `driver` can make of a config. Where there are two targets, each driver wants its own.
fn children(
    config: &Config,
    scenario: &Scenario,
    driver: u8,
    entropy: &Counter,
) -> Vec<(Origin, Config)> {
    if config.is_joint() {
        let finish = config.finish(entropy).expect("it is joint");
        let abort = config.abort(entropy).expect("it is joint");
        let mut children = vec![(Origin::Finish, finish)];
        if scenario.aborts {
            children.push((Origin::Abort, abort));
        }
        return children;
    }
    let targets = scenario.targets.iter().enumerate();
    let wants = |index| scenario.targets.len() == 1 || index == usize::from(driver);
    targets
        .filter(|&(index, _)| wants(index))
        .filter_map(|(index, &target)| {
            let joint = config.joint(group(target), entropy).ok()?;
            Some((Origin::Joint(index as u8), joint))
        })
        .collect()
}

fn pairs<T>(entries: &[Entry], decide: impl Fn(&Entry, &Entry) -> T) -> Vec<T> {
    let held = entries.iter();
    held.flat_map(|held| entries.iter().map(move |asked| (held, asked)))
        .map(|(held, asked)| decide(held, asked))
        .collect()
}

fn fence(held: &Arc<Config>, asked: &Config) -> FenceAnswer {
    let own = replica_id(0);
    match Fence::new(asked, own).check(own, Some(held)) {
        Ok(()) => FenceAnswer::Serve,
        Err(ReplicaError::StaleEpoch { .. }) => FenceAnswer::Stale,
        Err(ReplicaError::NeedConfig) => FenceAnswer::Need,
        Err(ReplicaError::Fork { .. }) => FenceAnswer::Fork,
        Err(error) => unreachable!("one store, one replica: {error}"),
    }
}

impl Entry {
    fn new(
        config: Config,
        parent: Option<ConfigIndex>,
        origin: Origin,
        driver: u8,
        lineage: ConfigSet,
    ) -> Self {
        let quorums = config.quorums();
        let (current, next) = (quorums.current(), quorums.next());
        let counted = |replicas| members_of(&config, replicas);
        let all = config.members().len();
        Self {
            parent,
            origin,
            driver,
            members: replicas_of(config.members()),
            current: replicas_of(&config.parts().current),
            next: replicas_of(config.parts().next.as_deref().unwrap_or_default()),
            activators: replicas_of(config.activators()),
            reached: Passing::of(|set| quorums.reached(counted(set))),
            current_majority: Passing::of(|set| counted(set).has_majority_in(current)),
            next_majority: Passing::of(|set| counted(set).has_majority_in(next.unwrap_or(current))),
            union_majority: Passing::of(|set| counted(set).len() >= majority(all)),
            activated: Passing::of(|set| {
                config.is_activated_by(|id| {
                    (0..MAX_REPLICAS).any(|r| set >> r & 1 == 1 && replica_id(r) == id)
                })
            }),
            lineage,
            config: Arc::new(config),
        }
    }
}
