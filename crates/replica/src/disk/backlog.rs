//! What the committer hands to the background threads, and what it gets from them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::log::segment::{Preparation, Segment};
use super::shared::{Shared, closed};
use crate::StoreError;

/// With so many unsorted runs of files, commits wait for a merge, since each run makes reads
/// slower.
const MAX_UNSORTED_RUNS: usize = 20;

/// Nobody waits longer for a notification before looking again, so that a lost one could only
/// delay and never hang.
const RECHECK: Duration = Duration::from_millis(200);

/// A segment of the log whose pairs are in a sealed memtable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sealed {
    /// The segment.
    pub(super) segment: u64,
    /// Its last frame.
    pub(super) lsn: u64,
}

/// What is to be done.
pub(super) struct Backlog {
    /// Oldest first. A memtable is sealed before it is listed here.
    pub(super) sealed: VecDeque<Sealed>,
    spare: Option<Segment>,
    /// The number of the next spare.
    next_segment: u64,
    /// How the next spare is set aside.
    preparation: Preparation,
    /// Whether a merge may be of use; false once the merger found nothing to do.
    merge_wanted: bool,
    /// Set when a background thread ended because the disk was full.
    pub(super) full: Option<StoreError>,
    pub(super) closing: bool,
}

/// What the flusher is to do.
pub(super) enum Task {
    /// Set this segment aside, in this way.
    Prepare(u64, Preparation),
    /// Flush; so many segments were listed, up to the last.
    Flush { count: usize, last: Sealed },
}

impl Backlog {
    /// As recovery leaves it.
    pub(super) fn new(active_segment: u64, sealed: Vec<Sealed>) -> Self {
        Self {
            sealed: sealed.into(),
            spare: None,
            next_segment: active_segment + 1,
            preparation: Preparation::Zeros,
            merge_wanted: true,
            full: None,
            closing: false,
        }
    }

    /// Whether the background threads are to end.
    fn ending(&self) -> bool {
        self.closing || self.full.is_some()
    }
}

impl Shared {
    /// The segment to go on with behind `full`, for the committer. Waits until the background
    /// threads have caught up.
    ///
    /// # Errors
    /// The store's failure, or that it closes: it never waits for what will not come.
    pub(super) fn take_segment(&self, full: &Segment) -> Result<Segment, StoreError> {
        let mut backlog = self.backlog.lock();
        loop {
            self.failure.check()?;
            if backlog.closing {
                return Err(closed());
            }
            if let Some(error) = &backlog.full {
                return Err(error.clone());
            }
            let flushed = backlog.sealed.len() < self.options.sealed_segments.max(1);
            let merged = !backlog.merge_wanted || self.table.unsorted_runs() < MAX_UNSORTED_RUNS;
            if flushed
                && merged
                && let Some(spare) = backlog.spare.take()
            {
                // The frames to come are probably like those that were.
                backlog.preparation = match full.average_frame() {
                    length if length >= self.options.long_frame_bytes => Preparation::Allocation,
                    _ => Preparation::Zeros,
                };
                self.changed.notify_all();
                return Ok(spare);
            }
            self.changed.wait_for(&mut backlog, RECHECK);
        }
    }

    /// Hands a sealed memtable to the flusher.
    pub(super) fn push_sealed(&self, sealed: Sealed) {
        self.backlog.lock().sealed.push_back(sealed);
        self.changed.notify_all();
    }

    /// The flusher's next task; `None` when it is to end.
    pub(super) fn next_task(&self) -> Option<Task> {
        let mut backlog = self.backlog.lock();
        loop {
            if backlog.ending() || self.failure.happened() {
                return None;
            }
            // A spare first: the committer waits for it at once, and only later for a flush.
            if backlog.spare.is_none() {
                return Some(Task::Prepare(backlog.next_segment, backlog.preparation));
            }
            let count = backlog.sealed.len();
            if let Some(&last) = backlog.sealed.back() {
                return Some(Task::Flush { count, last });
            }
            self.changed.wait_for(&mut backlog, RECHECK);
        }
    }

    /// A segment was set aside.
    pub(super) fn put_spare(&self, spare: Segment) {
        self.log_bytes
            .fetch_add(spare.allocated(), Ordering::Relaxed);
        let mut backlog = self.backlog.lock();
        backlog.next_segment = spare.number() + 1;
        backlog.spare = Some(spare);
        self.changed.notify_all();
    }

    /// The oldest `count` sealed memtables are in the table's files.
    pub(super) fn flushed(&self, count: usize) -> Vec<Sealed> {
        let mut backlog = self.backlog.lock();
        backlog.merge_wanted = true;
        self.changed.notify_all();
        backlog.sealed.drain(..count).collect()
    }

    /// Waits until a merge may be of use; false when the merger is to end.
    pub(super) fn await_merge(&self) -> bool {
        let mut backlog = self.backlog.lock();
        loop {
            if backlog.ending() || self.failure.happened() {
                return false;
            }
            if backlog.merge_wanted {
                return true;
            }
            self.changed.wait_for(&mut backlog, RECHECK);
        }
    }

    /// Says what the merger found. `runs` were there before it looked: with more of them now,
    /// it has to look again.
    pub(super) fn merged(&self, changed: bool, runs: usize) {
        let mut backlog = self.backlog.lock();
        backlog.merge_wanted = changed || self.table.unsorted_runs() > runs;
        self.changed.notify_all();
    }
}
