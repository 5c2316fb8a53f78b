//! Many seeds on all cores.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;

/// The seeds that are run when nobody says otherwise: each twice, so 10,000 histories.
pub const DEFAULT_SEEDS: Range<u64> = 0..5000;

/// Which seeds to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seeds {
    /// One, whose trace is to be printed.
    One(u64),
    /// Each of these.
    Range(Range<u64>),
}

/// A text that names no seeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSeeds {
    /// `SIMULATION_SEED` is no number.
    #[error("SIMULATION_SEED is {0:?}, not a number")]
    One(String),
    /// `SIMULATION_SEEDS` is neither a number nor a range.
    #[error("SIMULATION_SEEDS is {0:?}, neither a number of seeds nor a range such as 1000..2000")]
    Range(String),
    /// A line of the list of seeds that failed once does not begin with a number.
    #[error("line {line} of the list is {text:?}, which does not begin with a number")]
    Listed {
        /// Which line, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
}

impl Seeds {
    /// The seeds that the values of `SIMULATION_SEED` and `SIMULATION_SEEDS` name: the former
    /// goes first, and without either it is [`DEFAULT_SEEDS`].
    ///
    /// # Errors
    /// When a value is none of the forms in [`InvalidSeeds`].
    pub fn named(one: Option<&str>, range: Option<&str>) -> Result<Self, InvalidSeeds> {
        if let Some(text) = one {
            let seed = text.trim().parse();
            return seed
                .map(Self::One)
                .map_err(|_| InvalidSeeds::One(text.into()));
        }
        let Some(text) = range else {
            return Ok(Self::Range(DEFAULT_SEEDS));
        };
        let invalid = || InvalidSeeds::Range(text.into());
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| invalid());
        Ok(Self::Range(match text.split_once("..") {
            Some((from, to)) => number(from)?..number(to)?,
            None => 0..number(text)?,
        }))
    }
}

/// The seeds of a list with one per line, and behind each what it once found; `#` begins a
/// comment.
///
/// # Errors
/// With the first line that does not begin with a number.
pub fn listed(list: &str) -> Result<Vec<u64>, InvalidSeeds> {
    let mut seeds = Vec::new();
    for (index, text) in list.lines().enumerate() {
        let Some(word) = text.split_whitespace().next() else {
            continue;
        };
        if word.starts_with('#') {
            continue;
        }
        seeds.push(word.parse().map_err(|_| InvalidSeeds::Listed {
            line: index + 1,
            text: text.to_owned(),
        })?);
    }
    Ok(seeds)
}

/// Does the work for each item, on as many threads as there are cores, and returns the results
/// in the order of the items. Each simulation runs on one thread only.
pub fn on_all_cores<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Vec<_> = items.iter().map(|_| Mutex::new(None)).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                while let Some((item, result)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).zip(results.get(index))
                } {
                    *result.lock() = Some(work(item));
                }
            });
        }
    });
    let results = results.into_iter().map(Mutex::into_inner);
    results
        .map(|result| result.expect("every item was worked on"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_named_in_three_ways() {
        let named = |one, range| Seeds::named(one, range).unwrap();
        assert_eq!(named(None, None), Seeds::Range(DEFAULT_SEEDS));
        assert_eq!(named(Some("7"), Some("3")), Seeds::One(7));
        assert_eq!(named(None, Some("3")), Seeds::Range(0..3));
        assert_eq!(named(None, Some("10..20")), Seeds::Range(10..20));
        let error = Seeds::named(None, Some("10-20")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("SIMULATION_SEEDS is \"10-20\"")
        );
        let error = Seeds::named(Some("x"), None).unwrap_err();
        assert_eq!(error.to_string(), "SIMULATION_SEED is \"x\", not a number");
    }

    #[test]
    fn a_list_has_seeds_and_comments() {
        assert_eq!(listed("# why\n\n3 found this\n 5\n"), Ok(vec![3, 5]));
        let error = listed("3\nfive\n").unwrap_err().to_string();
        assert!(error.starts_with("line 2 of the list is \"five\""));
    }

    #[test]
    fn every_item_is_worked_on_once_and_in_order() {
        let items: Vec<u32> = (0..100).collect();
        let doubled = on_all_cores(&items, |item| item * 2);
        assert_eq!(doubled, (0..100).map(|item| item * 2).collect::<Vec<_>>());
        assert!(on_all_cores(&[], |item: &u32| *item).is_empty());
    }
}
