//! Checks the table's own bookkeeping before `lsm-tree` opens it.
//!
//! `lsm-tree` keeps a file `current`, which names the version in force and the checksum of its
//! manifest `v<version>`, which in turn lists the files in `tables/` and `blobs/`. It takes a missing
//! `current` for a new table, does not compare the manifest with its checksum, and believes
//! what a flipped bit in it says. All three are checked here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::archive::{self, ArchiveError, Little};
use crate::disk::OpenError;

/// `version u64 | xxh3 u128 of the manifest | checksum type u8 = 0`, little-endian.
const CURRENT_BYTES: usize = 25;

/// The version of the table in `folder` that is in force.
pub(super) fn version(folder: &Path) -> io::Result<u64> {
    let bytes = fs::read(folder.join("current"))?;
    let version = Little(&bytes).u64();
    version.map_err(|_| io::ErrorKind::UnexpectedEof.into())
}

/// Checks everything that `lsm-tree` believes unseen; returns the version in force.
pub(super) fn check(folder: &Path) -> Result<u64, OpenError> {
    remove_leftovers(folder)?;
    let current = folder.join("current");
    let bytes = fs::read(&current).map_err(|error| OpenError::reading(&current, error))?;
    let damaged = |path: &Path| {
        let path = path.to_owned();
        move |error| match error {
            ArchiveError::Io(error) => OpenError::reading(&path, error),
            ArchiveError::Damaged => OpenError::lost(&path, error.to_string()),
        }
    };
    if bytes.len() != CURRENT_BYTES {
        return Err(OpenError::lost(&current, "its length is wrong"));
    }
    let mut fields = Little(&bytes);
    let version = fields.u64().map_err(damaged(&current))?;
    let checksum = fields.u128().map_err(damaged(&current))?;
    let checksum_type = fields.u8().map_err(damaged(&current))?;
    let path = folder.join(format!("v{version}"));
    let manifest = fs::read(&path).map_err(|error| OpenError::reading(&path, error))?;
    if checksum_type != 0 || xxh3_128(&manifest) != checksum {
        let problem = format!("it does not match {}", current.display());
        return Err(OpenError::lost(&path, problem));
    }
    let contents = archive::check_contents(&path).map_err(damaged(&path))?;
    let tables = tables(&manifest, &contents).map_err(damaged(&path))?;
    let blobs = blobs(&manifest, &contents).map_err(damaged(&path))?;
    for (name, numbers) in [("tables", tables), (super::blobs::FOLDER, blobs)] {
        for number in numbers {
            let path = folder.join(name).join(number.to_string());
            archive::check_contents(&path).map_err(damaged(&path))?;
        }
    }
    Ok(version)
}

/// The files in `tables/` that a manifest lists.
fn tables(manifest: &[u8], contents: &[u8]) -> Result<Vec<u64>, ArchiveError> {
    let mut fields = Little(archive::section(manifest, contents, b"tables")?);
    let mut tables = Vec::new();
    for _level in 0..fields.u8()? {
        for _run in 0..fields.u8()? {
            for _table in 0..fields.u32()? {
                tables.push(fields.u64()?);
                let (_checksum_type, _checksum) = (fields.u8()?, fields.u128()?);
                let _global_sequence_number = fields.u64()?;
            }
        }
    }
    Ok(tables)
}

/// The files in `blobs/` that a manifest lists.
fn blobs(manifest: &[u8], contents: &[u8]) -> Result<Vec<u64>, ArchiveError> {
    let mut fields = Little(archive::section(manifest, contents, b"blob_files")?);
    let mut blobs = Vec::new();
    for _blob_file in 0..fields.u32()? {
        blobs.push(fields.u64()?);
        let (_checksum_type, _checksum) = (fields.u8()?, fields.u128()?);
    }
    Ok(blobs)
}

/// Removes the temporary files of a `current` that a crash kept from being renamed.
fn remove_leftovers(folder: &Path) -> Result<(), OpenError> {
    let reading = |error| OpenError::reading(folder, error);
    let temporary = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(".tmp");
    let entries = fs::read_dir(folder).map_err(reading)?;
    let leftovers: Vec<PathBuf> = entries
        .filter(|entry| !matches!(entry, Ok(entry) if !temporary(entry)))
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()
        .map_err(reading)?;
    for path in leftovers {
        fs::remove_file(&path).map_err(|error| OpenError::io("remove", &path, error))?;
    }
    Ok(())
}
