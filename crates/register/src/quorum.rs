//! Counting to a majority of every group.

use std::fmt;

use crate::mutation::{Mutation, active};

/// The most members of one group.
pub const MAX_GROUP_MEMBERS: usize = 31;

/// The most members of a config, both groups together.
pub const MAX_MEMBERS: usize = 2 * MAX_GROUP_MEMBERS;

/// A set of members of one config, by their index in
/// [`Config::members`](crate::Config::members).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct MemberSet(u64);

impl MemberSet {
    /// No member.
    pub const EMPTY: Self = Self(0);

    /// Adds a member; `false` when it was in already, so that a second answer of one
    /// replica never counts.
    pub fn insert(&mut self, member: usize) -> bool {
        assert!(member < MAX_MEMBERS, "member {member} of {MAX_MEMBERS}");
        let before = self.0;
        self.0 |= 1 << member;
        self.0 != before
    }

    /// Whether the member is in.
    pub fn contains(self, member: usize) -> bool {
        member < MAX_MEMBERS && self.0 & (1 << member) != 0
    }

    /// Whether its members are a majority of `group`.
    pub fn has_majority_in(self, group: Self) -> bool {
        self.intersection(group).len() >= majority(group.len())
    }

    /// Its members, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..MAX_MEMBERS).filter(move |&member| self.contains(member))
    }

    /// How many are in.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether none is in.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are in either.
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in both.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those in this one and not in the other.
    pub fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl FromIterator<usize> for MemberSet {
    fn from_iter<I: IntoIterator<Item = usize>>(members: I) -> Self {
        let mut set = Self::EMPTY;
        for member in members {
            set.insert(member);
        }
        set
    }
}

impl fmt::Debug for MemberSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// How far one group is from its majority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortfall {
    /// `"current"` or `"next"`.
    pub group: &'static str,
    /// The majority of the group.
    pub needed: usize,
    /// How many of the group answered.
    pub received: usize,
}

/// The groups of a config, of which each needs its own majority; never a majority of
/// their union.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quorums {
    current: MemberSet,
    next: Option<MemberSet>,
}

impl Quorums {
    /// Of one group, or of two while the config is joint.
    ///
    /// # Panics
    /// When a group is empty: it would have no majority ever.
    pub fn new(current: MemberSet, next: Option<MemberSet>) -> Self {
        assert!(!current.is_empty(), "the current group has members");
        assert!(
            next.is_none_or(|next| !next.is_empty()),
            "the next group has members"
        );
        Self { current, next }
    }

    /// The current group.
    pub fn current(&self) -> MemberSet {
        self.current
    }

    /// The group that is to come, while the config is joint.
    pub fn next(&self) -> Option<MemberSet> {
        self.next
    }

    /// These, or one of the two groups alone with one of these planted.
    pub fn mutated(self, current_only: Mutation, next_only: Mutation) -> Self {
        match self.next {
            Some(_) if active(current_only) => Self::new(self.current, None),
            Some(next) if active(next_only) => Self::new(next, None),
            _ => self,
        }
    }

    /// Whether `members` hold a majority of every group.
    pub fn reached(&self, members: MemberSet) -> bool {
        if active(Mutation::UnionMajority) {
            let all = self.current.union(self.next.unwrap_or_default());
            return members.has_majority_in(all);
        }
        self.groups()
            .all(|(_, group)| members.has_majority_in(group))
    }

    /// Whether the rest cannot reach a majority of some group once `lost` never answer.
    pub fn impossible_without(&self, lost: MemberSet) -> bool {
        self.groups()
            .any(|(_, group)| group.len() - lost.intersection(group).len() < majority(group.len()))
    }

    /// Needed and received, per group.
    pub fn shortfalls(&self, received: MemberSet) -> impl Iterator<Item = Shortfall> {
        self.groups().map(move |(name, group)| Shortfall {
            group: name,
            needed: majority(group.len()),
            received: received.intersection(group).len(),
        })
    }

    fn groups(&self) -> impl Iterator<Item = (&'static str, MemberSet)> {
        let current = Some(("current", self.current));
        let next = self.next.map(|next| ("next", next));
        [current, next].into_iter().flatten()
    }
}

/// The smallest number of which any two subsets of `members` members share one.
pub fn majority(members: usize) -> usize {
    members / 2 + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first(n: usize) -> MemberSet {
        (0..n).collect()
    }

    #[test]
    fn majorities_of_one_group() {
        for (members, needed) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4)] {
            let quorums = Quorums::new(first(members), None);
            for answered in 0..=members {
                assert_eq!(quorums.reached(first(answered)), answered >= needed);
                let lost = members - answered;
                assert_eq!(quorums.impossible_without(first(lost)), answered < needed);
            }
            let shortfall = quorums.shortfalls(first(1)).next().unwrap();
            assert_eq!((shortfall.needed, shortfall.received), (needed, 1));
        }
    }

    #[test]
    fn a_joint_config_needs_both_majorities() {
        // {0, 1, 2} and {2, 3, 4}: four of five are a majority of the union, but 0, 1, 3
        // lack one of the second group.
        let quorums = Quorums::new(
            [0, 1, 2].into_iter().collect(),
            Some([2, 3, 4].into_iter().collect()),
        );
        let reached = |members: &[usize]| quorums.reached(members.iter().copied().collect());
        assert!(reached(&[0, 2, 3]));
        assert!(reached(&[0, 1, 3, 4]));
        assert!(!reached(&[0, 1, 3]));
        assert!(!reached(&[0, 1, 2]));
        assert!(!reached(&[2, 3, 4]));
    }

    #[test]
    fn an_answer_counts_once() {
        let mut set = MemberSet::EMPTY;
        assert!(set.insert(2));
        assert!(!set.insert(2));
        assert_eq!(set.len(), 1);
    }

    proptest! {
        #[test]
        fn any_two_quorums_share_a_member_of_each_group(
            n in 1..8usize, m in 0..8usize, shared in 0..8usize, a in any::<u64>(), b in any::<u64>()
        ) {
            let current = first(n);
            let next_start = n - shared.min(n);
            let next: Option<MemberSet> = (m > 0).then(|| (next_start..next_start + m).collect());
            let all = first(16);
            let (a, b) = (MemberSet(a).intersection(all), MemberSet(b).intersection(all));
            let quorums = Quorums::new(current, next);
            if quorums.reached(a) && quorums.reached(b) {
                prop_assert!(!a.intersection(b).intersection(current).is_empty());
                if let Some(next) = next {
                    prop_assert!(!a.intersection(b).intersection(next).is_empty());
                }
            }
        }

        #[test]
        fn either_a_quorum_is_still_possible_or_it_is_impossible(n in 1..8usize, lost in any::<u64>()) {
            let quorums = Quorums::new(first(n), None);
            let lost = MemberSet(lost).intersection(first(n));
            let rest = (0..n).filter(|&m| !lost.contains(m)).collect();
            prop_assert_eq!(quorums.reached(rest), !quorums.impossible_without(lost));
        }
    }
}
