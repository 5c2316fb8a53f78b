//! Values that are written once: what their times alone decide (Gibbons, Korach 1997,
//! *Testing shared memories*, section 4).
//!
//! In every order, the write of such a value and the reads that returned it stand together,
//! with no other write between: they are a *cluster*. One cluster must stand before another
//! as soon as any operation of the one ended before any of the other began. So two clusters
//! contradict each other when each must stand before the other, that is, when the first end
//! in each lies before the last start in the other. If no two do, there is an order.

use super::interval::{ABSENT, Interval, Value, occurrences};

/// Something that is impossible by itself. All numbers are positions in the intervals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Anomalous {
    /// A read returned what nobody wrote.
    NeverWritten { read: usize },
    /// A read ended before the first write of what it returned began.
    NotYetWritten { read: usize, write: usize },
    /// Of two clusters each must stand before the other.
    Contradiction { left: Side, right: Side },
}

/// One of two clusters that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    /// The write of its value; `None` for the absence at first.
    pub(super) write: Option<usize>,
    /// The operation that ended first; `None` for the absence at first. It ended before the
    /// other side's `last_start`.
    pub(super) first_end: Option<usize>,
    /// The operation that began last.
    pub(super) last_start: usize,
}

/// Whether every value that was read is written once: then [`find_anomaly`] finds something
/// whenever there is no order.
pub(super) fn decides(intervals: &[Interval]) -> bool {
    let occurrences = occurrences(intervals);
    let mut values = (0..).zip(&occurrences);
    values.all(|(value, occurrence)| occurrence.reads == 0 || occurrence.is_single(value))
}

/// Something that proves that there is no order, if the values that are written once do.
///
/// Reads of other values are left out, which leaves writes that are read by nobody: clusters
/// too. What is impossible without some reads is impossible with them.
pub(super) fn find_anomaly(intervals: &[Interval]) -> Option<Anomalous> {
    find_bad_read(intervals).or_else(|| {
        let (left, right) = find_contradiction(clusters(intervals))?;
        let (left, right) = (left.side(), right.side());
        Some(Anomalous::Contradiction { left, right })
    })
}

fn find_bad_read(intervals: &[Interval]) -> Option<Anomalous> {
    let values = intervals.iter().map(|interval| interval.value as usize + 1);
    let mut first_writes: Vec<Option<usize>> = vec![None; values.max()?];
    for (position, interval) in intervals.iter().enumerate().filter(|(_, i)| i.write) {
        let first = &mut first_writes[interval.value as usize];
        if first.is_none_or(|first| interval.start < intervals[first].start) {
            *first = Some(position);
        }
    }
    let mut reads = intervals
        .iter()
        .enumerate()
        .filter(|(_, i)| !i.write && i.value != ABSENT);
    reads.find_map(
        |(read, interval)| match first_writes[interval.value as usize] {
            None => Some(Anomalous::NeverWritten { read }),
            Some(write) if interval.precedes(&intervals[write]) => {
                Some(Anomalous::NotYetWritten { read, write })
            }
            Some(_) => None,
        },
    )
}

/// The write of a value, the reads of it, and their times.
#[derive(Debug, Clone, Copy)]
struct Cluster {
    write: Option<usize>,
    /// The first end, and whose it is; before all times for the absence at first.
    first_end: (i128, Option<usize>),
    /// The last start, and whose it is.
    last_start: (i128, usize),
}

impl Cluster {
    fn of(position: usize, interval: &Interval) -> Self {
        let end = interval.end.map_or(i128::MAX, i128::from);
        Self {
            write: interval.write.then_some(position),
            first_end: (end, Some(position)),
            last_start: (interval.start.into(), position),
        }
    }

    fn join(&mut self, other: Self) {
        self.write = self.write.or(other.write);
        if other.first_end.0 < self.first_end.0 {
            self.first_end = other.first_end;
        }
        if other.last_start.0 > self.last_start.0 {
            self.last_start = other.last_start;
        }
    }

    /// Whether it holds for a time: some operation of it began after another had ended.
    /// Otherwise all its operations have an instant in common.
    fn is_forward(&self) -> bool {
        self.first_end.0 < self.last_start.0
    }

    fn side(&self) -> Side {
        Side {
            write: self.write,
            first_end: self.first_end.1,
            last_start: self.last_start.1,
        }
    }
}

fn clusters(intervals: &[Interval]) -> Vec<Cluster> {
    let occurrences = occurrences(intervals);
    let mut by_value: Vec<Option<Cluster>> = vec![None; occurrences.len()];
    let mut clusters = Vec::new();
    for (position, interval) in intervals.iter().enumerate() {
        let value = interval.value as usize;
        let single = occurrences[value].is_single(value as Value);
        let cluster = Cluster::of(position, interval);
        if single {
            match &mut by_value[value] {
                Some(known) => known.join(cluster),
                empty => *empty = Some(cluster),
            }
        } else if interval.write && interval.end.is_some() {
            clusters.push(cluster);
        }
    }
    if let Some(absence) = &mut by_value[ABSENT as usize] {
        absence.first_end = (-1, None);
    }
    // An unknown write that nobody read says nothing: nothing of its cluster ever ended.
    let read = by_value
        .into_iter()
        .flatten()
        .filter(|cluster| cluster.first_end.0 < i128::MAX);
    clusters.extend(read);
    clusters
}

/// Two clusters of which each must stand before the other.
///
/// A forward cluster covers the time from its first end to its last start, a backward one
/// from its last start to its first end. Two contradict each other when they are forward
/// ones whose times overlap, or a backward one within the time of a forward one.
fn find_contradiction(clusters: Vec<Cluster>) -> Option<(Cluster, Cluster)> {
    let (mut forward, mut backward): (Vec<_>, Vec<_>) =
        clusters.into_iter().partition(Cluster::is_forward);
    forward.sort_by_key(|cluster| cluster.first_end.0);
    for pair in forward.windows(2) {
        // Up to here none overlap, so the one before is the one that reaches furthest.
        if pair[1].first_end.0 < pair[0].last_start.0 {
            return Some((pair[0], pair[1]));
        }
    }
    backward.sort_by_key(|cluster| cluster.last_start.0);
    backward.into_iter().find_map(|inner| {
        let begun = forward.partition_point(|outer| outer.first_end.0 < inner.last_start.0);
        let outer = forward[..begun].last()?;
        (inner.first_end.0 < outer.last_start.0).then_some((*outer, inner))
    })
}

impl Anomalous {
    /// The operations involved, some perhaps twice.
    pub(super) fn positions(&self) -> Vec<usize> {
        match self {
            Self::NeverWritten { read } => vec![*read],
            Self::NotYetWritten { read, write } => vec![*read, *write],
            Self::Contradiction { left, right } => {
                let positions = |side: &Side| {
                    [side.write, side.first_end, Some(side.last_start)]
                        .into_iter()
                        .flatten()
                };
                positions(left).chain(positions(right)).collect()
            }
        }
    }

    /// The same with other positions.
    pub(super) fn map(self, place: impl Fn(usize) -> usize) -> Self {
        let side = |side: Side| Side {
            write: side.write.map(&place),
            first_end: side.first_end.map(&place),
            last_start: place(side.last_start),
        };
        match self {
            Self::NeverWritten { read } => Self::NeverWritten { read: place(read) },
            Self::NotYetWritten { read, write } => Self::NotYetWritten {
                read: place(read),
                write: place(write),
            },
            Self::Contradiction { left, right } => Self::Contradiction {
                left: side(left),
                right: side(right),
            },
        }
    }
}
