//! Reading members in step, page by page: the newest pair of each key, and who has it. Pure.

use std::collections::VecDeque;

use quorate_register::{Epoch, Key, MemberSet, Page, Pair, Writes, scan_order};

/// Members that are read through one of them, since they are taken to have the same pairs.
#[derive(Debug)]
pub(crate) struct Source {
    members: MemberSet,
    /// What is read and not merged yet, in the order of scans.
    pairs: VecDeque<(Key, Pair)>,
    after: Option<Key>,
    last: bool,
}

impl Source {
    /// Members of which nothing is read yet.
    pub(crate) fn new(members: MemberSet) -> Self {
        Self {
            members,
            pairs: VecDeque::new(),
            after: None,
            last: false,
        }
    }

    /// Members that have no pairs.
    pub(crate) fn empty(members: MemberSet) -> Self {
        Self {
            last: true,
            ..Self::new(members)
        }
    }

    /// Whether a page must be read before anything can be merged.
    pub(crate) fn must_read(&self) -> bool {
        self.pairs.is_empty() && !self.last
    }

    /// Whether everything is read and merged.
    pub(crate) fn is_done(&self) -> bool {
        self.pairs.is_empty() && self.last
    }

    /// The last key that was read: the next page begins behind it.
    pub(crate) fn after(&self) -> Option<&Key> {
        self.after.as_ref()
    }

    /// Takes the next page.
    pub(crate) fn take(&mut self, page: Page) {
        self.last = page.last;
        if let Some((key, _)) = page.pairs.last() {
            self.after = Some(key.clone());
        }
        self.pairs = page.pairs.into();
    }

    /// The pair of `key`, if that is the next one.
    fn pop(&mut self, key: &Key) -> Option<Pair> {
        if self.pairs.front()?.0 != *key {
            return None;
        }
        self.pairs.pop_front().map(|(_, pair)| pair)
    }
}

/// The newest pair of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) key: Key,
    pub(crate) pair: Pair,
    /// Who was seen to have it.
    pub(crate) holders: MemberSet,
}

/// What brings to a member those that it was not seen to have, under a config of this epoch.
pub(crate) fn lacked_by(member: usize, batch: &[Newest], origin: Epoch) -> Vec<Writes> {
    let lacked = batch.iter().filter(|it| !it.holders.contains(member));
    Writes::of(lacked.map(|it| (it.key.clone(), it.pair.clone())), origin)
}

/// Takes the keys of which every source has shown what it has. A source without a pair of a key
/// lacks it, and deletes nothing.
pub(crate) fn merge(sources: &mut [Source]) -> Vec<Newest> {
    let mut merged = Vec::new();
    while !sources.iter().any(Source::must_read) {
        let heads = sources.iter().filter_map(|source| source.pairs.front());
        let Some((key, _)) = heads.min_by(|(a, _), (b, _)| scan_order(a, b)) else {
            break;
        };
        let key = key.clone();
        let mut newest: Option<Newest> = None;
        for source in sources.iter_mut() {
            let Some(pair) = source.pop(&key) else {
                continue;
            };
            match &mut newest {
                Some(known) if pair.timestamp < known.pair.timestamp => {}
                Some(known) if pair.timestamp == known.pair.timestamp => {
                    known.holders = known.holders.union(source.members);
                }
                _ => {
                    newest = Some(Newest {
                        key: key.clone(),
                        pair,
                        holders: source.members,
                    });
                }
            }
        }
        merged.extend(newest);
    }
    merged
}

#[cfg(test)]
mod tests {
    use quorate_register::{OpId, Timestamp};

    use super::*;

    fn keys() -> Vec<Key> {
        let mut keys: Vec<_> = (0..4u8).map(|n| Key::new(vec![n]).unwrap()).collect();
        keys.sort_by(scan_order);
        keys
    }

    /// One member, which was read to its end, or not: places in the order of scans, and counters.
    fn source(member: usize, pairs: &[(usize, u64)], last: bool) -> Source {
        let pair = |&(place, counter): &(usize, u64)| {
            let key = keys()[place].clone();
            let timestamp = Timestamp {
                counter,
                op_id: OpId::from_bytes([7; 16]),
                ..Timestamp::ZERO
            };
            // A tombstone, whose absence deletes nothing elsewhere.
            let pair = Pair::new(&key, timestamp, None);
            (key, pair)
        };
        let pairs = pairs.iter().map(pair).collect();
        let mut source = Source::new(only(member));
        source.take(Page { pairs, last });
        source
    }

    fn only(member: usize) -> MemberSet {
        [member].into_iter().collect()
    }

    fn merged(sources: &mut [Source]) -> Vec<(usize, u64, Vec<usize>)> {
        let place = |key: &Key| keys().iter().position(|it| it == key).unwrap();
        let merged = merge(sources).into_iter();
        merged
            .map(|it| {
                let holders = it.holders.iter().collect();
                (place(&it.key), it.pair.timestamp.counter, holders)
            })
            .collect()
    }

    #[test]
    fn of_each_key_the_newest_pair_and_who_has_it() {
        let mut sources = [
            source(0, &[(0, 1), (1, 5), (2, 2)], true),
            source(1, &[(0, 1), (1, 4), (3, 7)], true),
            Source::empty(only(2)),
        ];
        let expected = [
            (0, 1, vec![0, 1]),
            (1, 5, vec![0]),
            (2, 2, vec![0]),
            (3, 7, vec![1]),
        ];
        assert_eq!(merged(&mut sources), expected);
        assert!(sources.iter().all(Source::is_done));
        assert!(merged(&mut sources).is_empty());
    }

    #[test]
    fn whatever_the_order_of_the_sources_the_newest_counts() {
        let mut sources = [
            source(4, &[(0, 1)], true),
            source(5, &[(0, 3)], true),
            source(6, &[(0, 2)], true),
            source(7, &[(0, 3)], true),
        ];
        assert_eq!(merged(&mut sources), [(0, 3, vec![5, 7])]);
    }

    #[test]
    fn a_source_that_has_more_to_show_is_waited_for() {
        let mut sources = [
            source(0, &[(0, 1), (1, 1), (3, 1)], true),
            source(1, &[(1, 1)], false),
        ];
        assert_eq!(merged(&mut sources), [(0, 1, vec![0]), (1, 1, vec![0, 1])]);
        assert!(sources[1].must_read() && !sources[0].must_read());
        assert_eq!(sources[1].after(), Some(&keys()[1]));
        sources[1].take(Page {
            pairs: Vec::new(),
            last: true,
        });
        assert_eq!(merged(&mut sources), [(3, 1, vec![0])]);
    }
}
