//! Reading several members in step, and what each of them lacks. Pure.

use std::collections::VecDeque;

use quorate_register::{Key, Page, Pair, scan_order};

/// One class of members as it is read: through one of them, page by page.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) pairs: VecDeque<(Key, Pair)>,
    /// The last key that was read.
    pub(super) after: Option<Key>,
    /// Whether nothing follows.
    pub(super) last: bool,
}

impl Source {
    /// One that has no pairs.
    pub(super) fn empty() -> Self {
        Self {
            last: true,
            ..Self::default()
        }
    }

    /// Whether a page must be read before anything can be merged.
    pub(super) fn must_read(&self) -> bool {
        self.pairs.is_empty() && !self.last
    }

    /// Takes the next page.
    pub(super) fn take(&mut self, page: Page) {
        self.last = page.last;
        if let Some((key, _)) = page.pairs.last() {
            self.after = Some(key.clone());
        }
        self.pairs = page.pairs.into();
    }
}

/// The newest pair of a key, and which sources do not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lacked {
    pub(super) key: Key,
    pub(super) pair: Pair,
    pub(super) by: Vec<usize>,
}

/// Takes the keys of which every source has shown what it has; returns those that some lack.
/// That a source has no pair of a key says only that it lacks one.
pub(super) fn merge(sources: &mut [Source]) -> Vec<Lacked> {
    let mut lacked = Vec::new();
    while !sources.iter().any(Source::must_read) {
        let heads = sources.iter().filter_map(|source| source.pairs.front());
        let Some((key, _)) = heads.min_by(|(a, _), (b, _)| scan_order(a, b)) else {
            break;
        };
        let key = key.clone();
        let mut take = |source: &mut Source| {
            let same = source.pairs.front().is_some_and(|(head, _)| *head == key);
            same.then(|| source.pairs.pop_front()).flatten()
        };
        let found: Vec<_> = sources.iter_mut().map(&mut take).collect();
        let pairs = found.iter().flatten().map(|(_, pair)| pair);
        let Some(newest) = pairs.max_by_key(|pair| pair.timestamp).cloned() else {
            break;
        };
        let has = |held: &Option<(Key, Pair)>| {
            let timestamp = held.as_ref().map(|(_, pair)| pair.timestamp);
            timestamp == Some(newest.timestamp)
        };
        let by: Vec<_> = (0..found.len()).filter(|&at| !has(&found[at])).collect();
        if !by.is_empty() {
            lacked.push(Lacked {
                key,
                pair: newest,
                by,
            });
        }
    }
    lacked
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

    /// A source that was read to its end, or not: places in the order of scans, and counters.
    fn source(pairs: &[(usize, u64)], last: bool) -> Source {
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
        let mut source = Source::default();
        source.take(Page { pairs, last });
        source
    }

    fn merged(sources: &mut [Source]) -> Vec<(usize, u64, Vec<usize>)> {
        let place = |key: &Key| keys().iter().position(|it| it == key).unwrap();
        let lacked = merge(sources).into_iter();
        lacked
            .map(|it| (place(&it.key), it.pair.timestamp.counter, it.by))
            .collect()
    }

    #[test]
    fn the_newest_goes_to_those_who_lack_it() {
        let mut sources = [
            source(&[(0, 1), (1, 5), (2, 2)], true),
            source(&[(0, 1), (1, 4), (3, 7)], true),
            Source::empty(),
        ];
        let expected = [
            (0, 1, vec![2]),
            (1, 5, vec![1, 2]),
            (2, 2, vec![1, 2]),
            (3, 7, vec![0, 2]),
        ];
        assert_eq!(merged(&mut sources), expected);
        assert!(merged(&mut sources).is_empty());
    }

    #[test]
    fn what_all_have_is_not_copied() {
        let mut sources = [
            source(&[(0, 1), (2, 3)], true),
            source(&[(0, 1), (2, 3)], true),
        ];
        assert!(merged(&mut sources).is_empty());
    }

    #[test]
    fn a_source_that_has_more_to_show_is_waited_for() {
        let mut sources = [
            source(&[(0, 1), (1, 1), (3, 1)], true),
            source(&[(1, 1)], false),
        ];
        assert_eq!(merged(&mut sources), [(0, 1, vec![1])]);
        assert!(sources[1].must_read() && !sources[0].must_read());
        assert_eq!(sources[1].after, Some(keys()[1].clone()));
        sources[1].take(Page {
            pairs: Vec::new(),
            last: true,
        });
        assert_eq!(merged(&mut sources), [(3, 1, vec![1])]);
    }
}
