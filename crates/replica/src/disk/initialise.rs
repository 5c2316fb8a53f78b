//! Makes an empty folder a replica's disk.
//!
//! A marker is created first and removed last, each time durably, and nothing is served before
//! it is gone. So a folder with the marker was never a replica's disk: it is wiped and gets
//! a new identity (PROTOCOL 2, "wipe first, then id, then fsync"). A folder without it is
//! complete, or empty. If the identity of a complete disk vanishes, no marker says that it may
//! be replaced, and it is not.

use std::io;
use std::path::Path;

use quorate_register::Entropy;

use super::boot_file::BootFile;
use super::checkpoint::{Checkpoint, CheckpointFile};
use super::config_file::ConfigFile;
use super::directory::names;
use super::files::{Files, read_all};
use super::identity::Identity;
use super::log::segment::{self, Preparation, Segment};
use super::sketch::KeySketch;
use super::table::Table;
use super::watermark::{Mark, Watermark};
use super::{OpenError, Options};

const MARKER: &[u8] = b"Quorate initialises this folder and wipes it if interrupted.\n";
const FIRST_SEGMENT: u64 = 1;

/// Initialises `path`, which is empty or holds what an earlier initialisation left.
pub(super) fn initialise(
    files: &dyn Files,
    path: &Path,
    options: &Options,
    entropy: &dyn Entropy,
) -> Result<(), OpenError> {
    let marker = path.join(names::INITIALISING);
    write_marker(files, path, &marker).map_err(|error| OpenError::io("write", &marker, error))?;
    wipe(files, path)?;

    Table::create(&path.join(names::TABLE), options)?;
    let log = path.join(names::LOG);
    files
        .create_directory(&log)
        .and_then(|()| {
            let bytes = options.segment_bytes;
            Segment::prepare(files, &log, FIRST_SEGMENT, bytes, Preparation::Zeros)
        })
        .map_err(|error| OpenError::io("create", &log.join(segment::name(FIRST_SEGMENT)), error))?;
    let checkpoint = Checkpoint {
        first_segment: FIRST_SEGMENT,
        lsn: 0,
        table_version: 0,
        keys: KeySketch::new(),
    };
    CheckpointFile::create(files, &path.join(names::CHECKPOINT), &checkpoint)?;
    let mark = Mark {
        lsn: 0,
        segment: FIRST_SEGMENT,
    };
    Watermark::create(files, &path.join(names::WATERMARK), mark)?;
    BootFile::create(files, &path.join(names::BOOTS))?;
    ConfigFile::create(files, &path.join(names::CONFIG))?;
    let identity = Identity::random(entropy);
    identity.create(files, &path.join(names::IDENTITY))?;
    sync(files, path)?;

    let removed = files.remove(&marker);
    removed.map_err(|error| OpenError::io("remove", &marker, error))?;
    sync(files, path)?;
    tracing::info!(path = %path.display(), replica_id = %identity.replica_id, "initialised");
    Ok(())
}

/// Whether the file is the marker, and so the folder ours and incomplete.
pub(super) fn is_marker(files: &dyn Files, marker: &Path) -> Result<bool, OpenError> {
    let bytes = files.open(marker).and_then(|file| read_all(&*file));
    let bytes = bytes.map_err(|error| OpenError::io("read", marker, error))?;
    Ok(bytes == MARKER)
}

fn write_marker(files: &dyn Files, folder: &Path, marker: &Path) -> io::Result<()> {
    let file = match files.open(marker) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => files.create(marker)?,
        Err(error) => return Err(error),
    };
    file.write_at(MARKER, 0)?;
    file.sync()?;
    files.sync_directory(folder)
}

/// Removes everything but the marker and the lock.
fn wipe(files: &dyn Files, path: &Path) -> Result<(), OpenError> {
    let present = files
        .list(path)
        .map_err(|error| OpenError::io("list", path, error))?;
    let wipe = |name: &&str, remove: &dyn Fn(&Path) -> io::Result<()>| {
        if !present.iter().any(|present| present == name) {
            return Ok(());
        }
        let entry = path.join(name);
        remove(&entry).map_err(|error| OpenError::io("remove", &entry, error))
    };
    for name in names::FILES {
        wipe(&name, &|entry| files.remove(entry))?;
    }
    for name in names::FOLDERS {
        wipe(&name, &|entry| files.remove_directory(entry))?;
    }
    sync(files, path)
}

fn sync(files: &dyn Files, folder: &Path) -> Result<(), OpenError> {
    files
        .sync_directory(folder)
        .map_err(|error| OpenError::io("sync", folder, error))
}
