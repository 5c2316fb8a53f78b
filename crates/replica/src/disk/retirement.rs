//! The end of a disk: the file `retired`.
//!
//! An active config has no place for this disk any more, and it is to be wiped and to come
//! back as another. The marker is made durable before the replica answers that it is retired,
//! and stays until the wipe is done, which begins by marking the folder as incomplete (see
//! `initialise`). So at each step of a crash the folder is still whole and marked, or it is
//! incomplete; either way the next start wipes it, and nothing in it is ever served again.
//!
//! ```text
//! magic 8 | replica_id 16 | crc32c u32 of all bytes before
//! ```
//!
//! The marker names the disk it ends: one that came from another folder means nothing.

use std::io;
use std::path::Path;

use quorate_register::ReplicaId;

use super::OpenError;
use super::directory::names;
use super::files::{Files, read_all};

const MAGIC: &[u8; 8] = b"QUORRET\n";

/// Marks the data directory at `path`, of the disk `replica_id`; durable when it returns.
pub(super) fn mark(files: &dyn Files, path: &Path, replica_id: ReplicaId) -> io::Result<()> {
    let marker = path.join(names::RETIRED);
    let file = match files.open(&marker) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => files.create(&marker)?,
        Err(error) => return Err(error),
    };
    file.write_at(&contents(replica_id), 0)?;
    file.sync()?;
    files.sync_directory(path)
}

/// Whether the disk `replica_id` in the data directory at `path` is marked. A marker whose
/// making a crash cut short says nothing: nobody was told that the disk is retired.
pub(super) fn is_marked(
    files: &dyn Files,
    path: &Path,
    replica_id: ReplicaId,
) -> Result<bool, OpenError> {
    let marker = path.join(names::RETIRED);
    match files.open(&marker).and_then(|file| read_all(&*file)) {
        Ok(bytes) => Ok(bytes == contents(replica_id)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(OpenError::io("read", &marker, error)),
    }
}

fn contents(replica_id: ReplicaId) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(replica_id.to_bytes());
    bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
    bytes
}
