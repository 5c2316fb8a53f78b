//! Ends a running merge when the store closes.
//!
//! A merge may take seconds, and `lsm-tree` offers no way to end one. But it lets a filter look
//! at each pair, and ends the merge when the filter fails: nothing is changed then, and the
//! unfinished files are removed when the table opens again. The filter keeps every pair.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lsm_tree::compaction::filter::Context;
use lsm_tree::compaction::{CompactionFilter, Factory, ItemAccessor, Verdict};

/// Whether merges are to end.
#[derive(Debug, Clone, Default)]
pub(super) struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// They are, from now on.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Makes the filters.
#[derive(Debug)]
pub(super) struct StopFilter(pub(super) StopFlag);

impl Factory for StopFilter {
    fn name(&self) -> &str {
        "stop"
    }

    fn make_filter(&self, _context: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Self(self.0.clone()))
    }
}

impl CompactionFilter for StopFilter {
    fn filter_item(
        &mut self,
        _item: ItemAccessor<'_>,
        _context: &Context,
    ) -> lsm_tree::Result<Verdict> {
        if self.0.0.load(Ordering::Relaxed) {
            let stopped = std::io::Error::other("the store closes");
            return Err(lsm_tree::Error::Io(stopped));
        }
        Ok(Verdict::Keep)
    }
}
