//! Cuts a violation down to few operations.
//!
//! Some operations of a history may be left out without making an order impossible that was
//! possible before: any read; and any write that none of the remaining reads can have
//! returned. If no order remains possible, the operations that are left are a proof. Which
//! are left out is tried, large parts first (Zeller, Hildebrandt 2002, *Simplifying and
//! isolating failure-inducing input*).

use super::interval::{ABSENT, Interval};
use super::zones::{self, Anomalous};
use super::{Decision, Steps, decide};

/// Operations that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    /// The operations, in order of their start.
    pub(super) intervals: Vec<Interval>,
    /// Why, where it is simple; with positions in `intervals`.
    pub(super) anomalous: Option<Anomalous>,
}

/// A small proof for a decision that there is no order.
pub(super) fn prove(intervals: &[Interval], decision: Decision, steps: &mut Steps) -> Proof {
    let at = match decision {
        Decision::Anomalous(anomalous) => return prove_anomaly(intervals, anomalous),
        Decision::NoOrder { at } => at,
        Decision::Linearizable | Decision::Undecided(_) => unreachable!("there may be an order"),
    };
    let mut candidates = intervals.to_vec();
    candidates.sort_by_key(|interval| (interval.start, interval.index));
    let began = candidates.partition_point(|other| other.start < intervals[at].start);
    let kept = shrink(&candidates, began, steps);
    let intervals = select(&candidates, &kept);
    match zones::find_anomaly(&intervals) {
        Some(anomalous) => prove_anomaly(&intervals, anomalous),
        None => Proof {
            intervals,
            anomalous: None,
        },
    }
}

/// The operations that an anomaly consists of.
fn prove_anomaly(intervals: &[Interval], anomalous: Anomalous) -> Proof {
    let mut involved = anomalous.positions();
    involved.sort_by_key(|&position| (intervals[position].start, position));
    involved.dedup();
    let place = |position: usize| {
        let place = involved.iter().position(|&other| other == position);
        place.expect("every position of the anomaly is involved")
    };
    let anomalous = Some(anomalous.map(place));
    Proof {
        intervals: involved
            .iter()
            .map(|&position| intervals[position])
            .collect(),
        anomalous,
    }
}

/// Which of the candidates are kept, most likely around `center`; there is no order for
/// these either.
fn shrink(candidates: &[Interval], center: usize, steps: &mut Steps) -> Vec<bool> {
    let mut kept = keep_around(candidates, center, steps);
    let mut part = kept.iter().filter(|&&kept| kept).count().div_ceil(2);
    // Once single operations are tried, go on as long as any of them can go.
    loop {
        let mut smaller = false;
        let mut begin = 0;
        loop {
            let left: Vec<usize> = (0..kept.len()).filter(|&position| kept[position]).collect();
            if begin >= left.len() {
                break;
            }
            let mut attempt = kept.clone();
            for &position in &left[begin..left.len().min(begin + part)] {
                attempt[position] = false;
            }
            keep_what_may_be_read(candidates, &mut attempt);
            let count = attempt.iter().filter(|&&kept| kept).count();
            if !steps.spend(left.len() + candidates.len() / 8) {
                return kept;
            }
            if count < left.len() && is_violation(&select(candidates, &attempt), steps) {
                kept = attempt;
                smaller = true;
            } else {
                begin += part;
            }
        }
        if part == 1 && !smaller {
            return kept;
        }
        part = if part > 1 { part.div_ceil(2) } else { 1 };
    }
}

/// As few of the candidates around `center` as a few tries find: most violations are local.
fn keep_around(candidates: &[Interval], center: usize, steps: &mut Steps) -> Vec<bool> {
    let mut reach = 8;
    while reach < candidates.len() {
        let around = center.saturating_sub(reach)..center + reach;
        let mut kept: Vec<_> = (0..candidates.len())
            .map(|position| around.contains(&position))
            .collect();
        keep_what_may_be_read(candidates, &mut kept);
        if is_violation(&select(candidates, &kept), steps) {
            return kept;
        }
        reach *= 2;
    }
    vec![true; candidates.len()]
}

fn select(candidates: &[Interval], kept: &[bool]) -> Vec<Interval> {
    let both = candidates.iter().zip(kept);
    both.filter(|&(_, &kept)| kept)
        .map(|(interval, _)| *interval)
        .collect()
}

fn is_violation(intervals: &[Interval], steps: &mut Steps) -> bool {
    let decision = decide(intervals, steps);
    matches!(decision, Decision::Anomalous(_) | Decision::NoOrder { .. })
}

/// Adds every write that a kept read may have returned.
///
/// A read cannot have returned a write that began after it ended, nor one that was
/// overwritten: that ended before a kept write began which ended before the read began. Yet
/// for each read one write of its value stays, or it would look like one from nowhere.
fn keep_what_may_be_read(candidates: &[Interval], kept: &mut [bool]) {
    let kept_intervals = select(candidates, kept);
    let overwritten = Overwritten::by(&kept_intervals);
    let values = candidates
        .iter()
        .map(|interval| interval.value as usize + 1);
    let mut reads = vec![Reads::default(); values.max().unwrap_or(0)];
    for read in kept_intervals.iter().filter(|interval| !interval.write) {
        let end = read.end.expect("reads have an end");
        let too_old = overwritten.before(read.start);
        reads[read.value as usize].ends.push((end, too_old));
    }
    reads.iter_mut().for_each(Reads::sort);
    for (position, write) in candidates.iter().enumerate().filter(|(_, i)| i.write) {
        let reads = &mut reads[write.value as usize];
        kept[position] |= reads.may_return(write);
        reads.note(position, write, kept[position]);
    }
    for (value, reads) in reads.into_iter().enumerate() {
        if let (false, Some((_, position))) = (reads.has_write, reads.latest)
            && value != ABSENT as usize
        {
            kept[position] = true;
        }
    }
}

/// The kept reads of one value.
#[derive(Clone, Default)]
struct Reads {
    /// When each ended, and which writes are too old for it: those that ended before that.
    ends: Vec<(u64, u64)>,
    /// Whether a kept write began before the first of them ended.
    has_write: bool,
    /// Of all writes that did, the end and position of the one that ended last.
    latest: Option<(Option<u64>, usize)>,
}

impl Reads {
    /// In order of their end, each with the least of all that end then or later.
    fn sort(&mut self) {
        self.ends.sort_unstable();
        let mut least = u64::MAX;
        for (_, too_old) in self.ends.iter_mut().rev() {
            least = least.min(*too_old);
            *too_old = least;
        }
    }

    fn may_return(&self, write: &Interval) -> bool {
        let ended = self.ends.partition_point(|&(end, _)| end < write.start);
        let later = self.ends.get(ended);
        later.is_some_and(|&(_, too_old)| write.end.is_none_or(|end| end >= too_old))
    }

    fn note(&mut self, position: usize, write: &Interval, kept: bool) {
        if self
            .ends
            .first()
            .is_some_and(|&(end, _)| write.start <= end)
        {
            self.has_write |= kept;
            self.latest = self.latest.max(Some((write.end, position)));
        }
    }
}

/// Which writes are overwritten when.
struct Overwritten {
    /// The ends of all writes in order, each with the latest start of those that ended by then.
    ends: Vec<(u64, u64)>,
}

impl Overwritten {
    fn by(intervals: &[Interval]) -> Self {
        let writes = intervals.iter().filter(|interval| interval.write);
        let mut ends: Vec<_> = writes
            .filter_map(|write| Some((write.end?, write.start)))
            .collect();
        ends.sort_unstable();
        let mut latest = 0;
        for (_, start) in &mut ends {
            latest = latest.max(*start);
            *start = latest;
        }
        Self { ends }
    }

    /// A write that ended before this time was overwritten before `start`.
    fn before(&self, start: u64) -> u64 {
        let ended = self.ends.partition_point(|&(end, _)| end < start);
        ended.checked_sub(1).map_or(0, |last| self.ends[last].1)
    }
}
