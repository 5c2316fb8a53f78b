//! Opens the store of a complete data directory.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use quorate_register::Key;

use super::backlog::{Backlog, Sealed};
use super::boot_file::BootFile;
use super::checkpoint::CheckpointFile;
use super::commit::Writer;
use super::config_file::ConfigFile;
use super::directory::names;
use super::failure::Failure;
use super::files::Files;
use super::identity::Identity;
use super::lock::DirectoryLock;
use super::log::frame;
use super::log::recovery::{self, Expected, Replay};
use super::shared::Shared;
use super::sketch::KeySketch;
use super::store::{DiskStore, Opened};
use super::table::Table;
use super::watermark::{Mark, Watermark};
use super::{OpenError, Options, workers};

/// Reads everything that is not in the table's files from the log, and starts the background
/// threads. Nothing is served before all of it is known to be durable and sound.
pub(super) fn open(
    files: Arc<dyn Files>,
    path: &Path,
    options: &Options,
    identity: Identity,
    lock: DirectoryLock,
) -> Result<DiskStore, OpenError> {
    let (checkpoints, checkpoint) = CheckpointFile::open(&*files, &path.join(names::CHECKPOINT))?;
    let (watermark, mark) = Watermark::open(&*files, &path.join(names::WATERMARK))?;
    let (config_file, config) = ConfigFile::open(&*files, &path.join(names::CONFIG))?;
    let (boot_file, boots) = BootFile::open(&*files, &path.join(names::BOOTS))?;
    let table_path = path.join(names::TABLE);
    let table = Table::open(&table_path, checkpoint.table_version, options)?;
    let covered = table.lsn_in_files();
    if covered < checkpoint.lsn {
        let problem = format!("it covers frame {covered}, and covered {}", checkpoint.lsn);
        return Err(OpenError::lost(&table_path, problem));
    }
    let mut replayer = Replayer {
        table: &table,
        keys: checkpoint.keys,
        covered,
        sealed: Vec::new(),
        sealed_limit: options.sealed_segments.max(1),
    };
    let log_folder = path.join(names::LOG);
    let expected = Expected {
        salt: identity.log_salt,
        first_segment: checkpoint.first_segment,
        lsn: checkpoint.lsn,
        // What is in the table's files was synced in the log before.
        mark: Mark {
            lsn: mark.lsn.max(covered),
            segment: mark.segment,
        },
    };
    let log = recovery::recover(&*files, &log_folder, expected, &mut replayer)?;
    let (keys, sealed) = (replayer.keys, replayer.sealed);
    let writer = Writer {
        active: log.active,
        watermark,
        salt: identity.log_salt,
        lsn: log.lsn,
    };
    // Both slots, in case one was damaged.
    let settled = writer.watermark.settle(writer.mark());
    settled.map_err(|error| OpenError::io("write", writer.watermark.path(), error))?;

    let shared = Arc::new(Shared {
        files,
        log_folder,
        options: options.clone(),
        table,
        keys: Mutex::new(keys),
        failure: Failure::default(),
        log_bytes: AtomicU64::new(log.bytes),
        sync_nanos: AtomicU64::new(0),
        backlog: Mutex::new(Backlog::new(writer.active.number(), sealed)),
        changed: Condvar::new(),
    });
    let workers = workers::start(&shared, checkpoints)
        .map_err(|error| OpenError::io("start the threads of", path, error))?;
    Ok(DiskStore::new(Opened {
        path: path.to_owned(),
        shared,
        writer,
        config_file,
        config,
        boot_file,
        boots,
        replica_id: identity.replica_id,
        workers,
        lock,
    }))
}

/// Puts frames of the log into the memtable.
struct Replayer<'a> {
    table: &'a Table,
    keys: KeySketch,
    /// The last frame whose pairs are in the table's files.
    covered: u64,
    sealed: Vec<Sealed>,
    sealed_limit: usize,
}

impl Replay for Replayer<'_> {
    fn frame(&mut self, lsn: u64, frame: Bytes) -> Result<(), OpenError> {
        for record in frame::records(&frame) {
            let (key, stored) = record.ok_or_else(|| {
                let problem = format!("frame {lsn} of the log has a record that does not fit");
                crate::StoreError::Corrupt { problem }
            })?;
            let key = Key::new(key).map_err(|error| crate::StoreError::Corrupt {
                problem: format!("frame {lsn} of the log has a wrong key: {error}"),
            })?;
            self.keys.insert(key.bytes());
            if lsn > self.covered {
                self.table.insert(&key, stored, lsn);
            }
        }
        Ok(())
    }

    fn sealed(&mut self, segment: u64, lsn: u64) -> Result<(), OpenError> {
        self.table.seal();
        self.sealed.push(Sealed { segment, lsn });
        // As many memtables as while running, and no more. The flusher records it later.
        if self.sealed.len().is_multiple_of(self.sealed_limit) {
            self.table.flush().map_err(|problem| problem.error)?;
        }
        Ok(())
    }
}
