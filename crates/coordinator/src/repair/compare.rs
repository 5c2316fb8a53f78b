//! What sums say: which buckets differ, between whom, and who is behind. Pure.

use quorate_register::{Buckets, DIGEST_SUMS, MemberSet};

/// A member's sums: of all groups of buckets, or of the buckets of one group.
pub(super) type Sums = [u64; DIGEST_SUMS];

/// Some of the 256 places of a digest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Places([u64; 4]);

impl Places {
    /// Every place.
    pub(super) const fn all() -> Self {
        Self([u64::MAX; 4])
    }

    fn insert(&mut self, place: u8) {
        self.0[usize::from(place >> 6)] |= 1 << (place & 63);
    }

    /// Whether the place is one of them.
    pub(super) fn contains(self, place: u8) -> bool {
        self.0[usize::from(place >> 6)] & (1 << (place & 63)) != 0
    }

    /// Those in both.
    pub(super) fn intersection(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] & other.0[word]))
    }

    /// From the first to the last.
    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(move |&place| self.contains(place))
    }

    /// Whether there are none.
    pub(super) fn is_empty(self) -> bool {
        self.0 == [0; 4]
    }
}

/// Where two members at least have different sums.
pub(super) fn differing(members: &[(usize, Box<Sums>)]) -> Places {
    let mut places = Places::default();
    if let Some(((_, first), others)) = members.split_first() {
        for place in 0..=u8::MAX {
            let at = usize::from(place);
            if others.iter().any(|(_, sums)| sums[at] != first[at]) {
                places.insert(place);
            }
        }
    }
    places
}

/// Members that have one sum, and so the same pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) members: MemberSet,
    /// Whether they have none: the sum is zero.
    pub(super) empty: bool,
}

/// Consecutive buckets in which the same members differ from each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) buckets: Buckets,
    pub(super) classes: Vec<Class>,
}

impl Range {
    /// How many buckets there are.
    pub(super) fn len(&self) -> u64 {
        u64::from(self.buckets.last - self.buckets.first) + 1
    }

    /// Who seems to lack something: all but the largest class. Among as large ones nobody can tell,
    /// but that those without pairs lack them.
    pub(super) fn behind(&self) -> MemberSet {
        let rank = |class: &Class| (class.members.len(), !class.empty);
        let best = self.classes.iter().map(rank).max();
        let leading = |class: &&Class| Some(rank(class)) == best;
        let alone = self.classes.iter().filter(leading).count() == 1;
        let behind = self.classes.iter().filter(|it| !(alone && leading(it)));
        behind.fold(MemberSet::EMPTY, |all, class| all.union(class.members))
    }
}

/// The places of a group as ranges of buckets, each as long as the classes stay the same.
pub(super) fn ranges(group: u8, places: Places, members: &[(usize, Box<Sums>)]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for place in places.iter() {
        let bucket = u16::from_be_bytes([group, place]);
        let classes = classes(usize::from(place), members);
        match ranges.last_mut() {
            Some(range) if range.classes == classes && range.buckets.last + 1 == bucket => {
                range.buckets.last = bucket;
            }
            _ => ranges.push(Range {
                buckets: Buckets::only(bucket),
                classes,
            }),
        }
    }
    ranges
}

fn classes(at: usize, members: &[(usize, Box<Sums>)]) -> Vec<Class> {
    let mut classes: Vec<(u64, Class)> = Vec::new();
    for (member, sums) in members {
        let sum = sums[at];
        let place = classes.iter().position(|(of, _)| *of == sum);
        let place = place.unwrap_or_else(|| {
            let class = Class {
                members: MemberSet::EMPTY,
                empty: sum == 0,
            };
            classes.push((sum, class));
            classes.len() - 1
        });
        classes[place].1.members.insert(*member);
    }
    classes.into_iter().map(|(_, class)| class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(members: &[usize]) -> MemberSet {
        let mut set = MemberSet::EMPTY;
        for &member in members {
            set.insert(member);
        }
        set
    }

    /// Members with these sums at the places 10, 11, 12 and 255, and zero elsewhere.
    fn members(sums: &[[u64; 4]]) -> Vec<(usize, Box<Sums>)> {
        let of = |(member, sums): (usize, &[u64; 4])| {
            let mut all = Box::new([0; DIGEST_SUMS]);
            for (place, sum) in [10, 11, 12, 255].into_iter().zip(sums) {
                all[place] = *sum;
            }
            (member, all)
        };
        sums.iter().enumerate().map(of).collect()
    }

    #[test]
    fn only_places_where_two_differ_are_looked_into() {
        let places = |sums: &[[u64; 4]]| differing(&members(sums)).iter().collect::<Vec<_>>();
        assert!(places(&[]).is_empty());
        assert!(places(&[[1, 2, 3, 4]]).is_empty());
        assert!(places(&[[1, 2, 3, 4], [1, 2, 3, 4]]).is_empty());
        assert_eq!(
            places(&[[1, 2, 3, 4], [1, 9, 3, 4], [1, 2, 3, 0]]),
            [11, 255]
        );
    }

    #[test]
    fn a_place_counts_only_if_it_differs_on_both_looks() {
        let first = differing(&members(&[[1, 2, 3, 4], [1, 9, 3, 0]]));
        let second = differing(&members(&[[1, 2, 3, 4], [7, 2, 3, 0]]));
        let both: Vec<_> = first.intersection(second).iter().collect();
        assert_eq!(both, [255]);
        let nowhere = first.intersection(Places::default());
        assert!(nowhere.is_empty() && !first.is_empty());
    }

    #[test]
    fn neighbours_with_the_same_classes_are_one_range() {
        let members = members(&[[1, 2, 3, 4], [1, 2, 3, 4], [0, 0, 9, 4]]);
        let ranges = ranges(2, differing(&members), &members);
        let class = |of: &[usize], empty| Class {
            members: set(of),
            empty,
        };
        let expected = [
            Range {
                buckets: Buckets {
                    first: 522,
                    last: 523,
                },
                classes: vec![class(&[0, 1], false), class(&[2], true)],
            },
            Range {
                buckets: Buckets::only(524),
                classes: vec![class(&[0, 1], false), class(&[2], false)],
            },
        ];
        assert_eq!(ranges, expected);
        assert_eq!(ranges[0].len(), 2);
    }

    #[test]
    fn the_largest_class_is_not_behind() {
        let behind = |classes: &[(&[usize], bool)]| {
            let class = |(of, empty): &(&[usize], bool)| Class {
                members: set(of),
                empty: *empty,
            };
            let range = Range {
                buckets: Buckets::ALL,
                classes: classes.iter().map(class).collect(),
            };
            range.behind()
        };
        assert_eq!(behind(&[(&[0, 2], false), (&[1], false)]), set(&[1]));
        assert_eq!(behind(&[(&[0], false), (&[1, 2], true)]), set(&[0]));
        assert_eq!(behind(&[(&[0], false), (&[1], true)]), set(&[1]));
        assert_eq!(behind(&[(&[0], false), (&[1], false)]), set(&[0, 1]));
        assert_eq!(
            behind(&[(&[0], false), (&[1], false), (&[2], true)]),
            set(&[0, 1, 2])
        );
    }
}
