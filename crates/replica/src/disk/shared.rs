//! What the threads of a store share.
//!
//! Two threads work behind the committer. The *flusher* sets the next segment of the log aside
//! before it is needed, and brings sealed memtables into the table's files, after which their
//! segments of the log are removed. The *merger* merges the table's files. Each failure of
//! theirs is the store's, and the next commit returns it; but for a full disk, which only a
//! commit that needs more of the log hears of.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::{Condvar, Mutex};

use super::Options;
use super::backlog::Backlog;
use super::failure::Failure;
use super::files::Files;
use super::sketch::KeySketch;
use super::table::Table;
use crate::StoreError;

/// What the committer, the background threads and the readers of a store share.
pub(super) struct Shared {
    pub(super) files: Arc<dyn Files>,
    pub(super) log_folder: PathBuf,
    pub(super) options: Options,
    pub(super) table: Table,
    pub(super) keys: Mutex<KeySketch>,
    pub(super) failure: Failure,
    /// The length of all segments of the log, in bytes.
    pub(super) log_bytes: AtomicU64,
    /// Of the latest frame: how long it took to write and sync it, in nanoseconds.
    pub(super) sync_nanos: AtomicU64,
    pub(super) backlog: Mutex<Backlog>,
    /// Notified whenever the backlog changes.
    pub(super) changed: Condvar,
}

impl Shared {
    /// Lets the background threads end, and whoever waits for them.
    pub(super) fn close(&self) {
        self.backlog.lock().closing = true;
        self.table.stop_compaction();
        self.changed.notify_all();
    }

    /// Whether [`close`](Self::close) was called.
    pub(super) fn closing(&self) -> bool {
        self.backlog.lock().closing
    }

    /// The background threads end, since the disk is full. That is the failure of the next
    /// commit that needs a segment, and of nothing else: a config is still adopted.
    pub(super) fn disk_is_full(&self, error: StoreError) {
        self.backlog.lock().full = Some(error);
        self.changed.notify_all();
    }

    /// Records a failure and wakes whoever waits.
    pub(super) fn fail(&self, error: StoreError) -> StoreError {
        let error = self.failure.record(error);
        // Not between somebody's check and its wait.
        let _backlog = self.backlog.lock();
        self.changed.notify_all();
        error
    }
}

/// What commits get once the store closes.
pub(super) fn closed() -> StoreError {
    StoreError::Failed {
        problem: "the store was closed".to_owned(),
    }
}
