//! The two background threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use super::backlog::{Sealed, Task};
use super::checkpoint::{Checkpoint, CheckpointFile};
use super::error::{BackgroundError, failed};
use super::log::segment::{self, Preparation, Segment};
use super::shared::Shared;
use crate::StoreError;

/// The manifest counts runs in one byte; long before, something is badly wrong.
const TOO_MANY_RUNS: usize = 200;

/// Starts both threads. They end when the store closes or fails.
pub(super) fn start(
    shared: &Arc<Shared>,
    checkpoints: CheckpointFile,
) -> io::Result<Vec<JoinHandle<()>>> {
    let flusher = {
        let shared = shared.clone();
        thread::Builder::new()
            .name("quorate-flush".to_owned())
            .spawn(move || guarded(&shared, || flush_until_closed(&shared, checkpoints)))?
    };
    let merger = {
        let shared = shared.clone();
        thread::Builder::new()
            .name("quorate-merge".to_owned())
            .spawn(move || guarded(&shared, || merge_until_closed(&shared)))
    };
    match merger {
        Ok(merger) => Ok(vec![flusher, merger]),
        Err(error) => {
            shared.close();
            let _ = flusher.join();
            Err(error)
        }
    }
}

/// Makes an error, or a panic, of `work` the store's failure.
fn guarded(shared: &Shared, work: impl FnOnce() -> Result<(), BackgroundError>) {
    struct OnPanic<'a>(&'a Shared);
    impl Drop for OnPanic<'_> {
        fn drop(&mut self) {
            if thread::panicking() {
                let problem = "a background thread of the store panicked".to_owned();
                self.0.fail(StoreError::Failed { problem });
            }
        }
    }
    let _on_panic = OnPanic(shared);
    if let Err(BackgroundError { error, disk_full }) = work() {
        // Nobody may commit for a long time, so it is told here as well.
        tracing::error!(%error, "the store failed in the background");
        if disk_full {
            shared.disk_is_full(error);
        } else {
            shared.fail(error);
        }
    }
}

fn flush_until_closed(
    shared: &Shared,
    mut checkpoints: CheckpointFile,
) -> Result<(), BackgroundError> {
    while let Some(task) = shared.next_task() {
        match task {
            Task::Prepare(number, preparation) => prepare(shared, number, preparation)?,
            Task::Flush { count, last } => {
                flush(shared, last, &mut checkpoints)?;
                for sealed in shared.flushed(count) {
                    remove_segment(shared, sealed.segment)?;
                }
            }
        }
    }
    Ok(())
}

fn prepare(shared: &Shared, number: u64, preparation: Preparation) -> Result<(), BackgroundError> {
    let (files, bytes) = (&*shared.files, shared.options.segment_bytes);
    let spare = Segment::prepare(files, &shared.log_folder, number, bytes, preparation);
    let spare = spare.map_err(|error| {
        let path = shared.log_folder.join(segment::name(number));
        BackgroundError::new("set aside", &path, &error)
    })?;
    shared.put_spare(spare);
    Ok(())
}

/// Brings all up to `last` into the table's files and records that. Only after both are
/// durable the log may be removed.
fn flush(
    shared: &Shared,
    last: Sealed,
    checkpoints: &mut CheckpointFile,
) -> Result<(), BackgroundError> {
    if shared.table.unsorted_runs() >= TOO_MANY_RUNS {
        let problem = format!("the table has {TOO_MANY_RUNS} runs that are not merged");
        return Err(StoreError::Failed { problem }.into());
    }
    shared.table.flush()?;
    let covered = shared.table.lsn_in_files();
    if covered < last.lsn {
        let problem = format!("the table covers frame {covered}, not {}", last.lsn);
        return Err(StoreError::Failed { problem }.into());
    }
    let checkpoint = Checkpoint {
        first_segment: last.segment + 1,
        lsn: last.lsn,
        table_version: shared.table.version()?,
        keys: shared.keys.lock().clone(),
    };
    let saved = checkpoints.save(&checkpoint);
    saved.map_err(|error| failed("save", checkpoints.path(), &error))?;
    Ok(())
}

fn remove_segment(shared: &Shared, number: u64) -> Result<(), StoreError> {
    let path = shared.log_folder.join(segment::name(number));
    let remove = || {
        let bytes = shared.files.open(&path)?.length()?;
        shared.files.remove(&path)?;
        shared.log_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Ok(())
    };
    remove().map_err(|error: io::Error| failed("remove", &path, &error))
}

fn merge_until_closed(shared: &Shared) -> Result<(), BackgroundError> {
    while shared.await_merge() {
        let runs = shared.table.unsorted_runs();
        match shared.table.compact() {
            Ok(changed) => shared.merged(changed, runs),
            // It was told to end.
            Err(_) if shared.closing() => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
