//! Who this disk is: the file `identity`, written once.
//!
//! ```text
//! magic 8 | format version u32 | crc32c u32 of the 12 bytes before
//! replica_id 16 | log salt 8 | crc32c u32 of all bytes before
//! ```
//!
//! The version has a checksum of its own, so that a flipped bit in it is damage and not "a
//! newer version", whatever a newer version puts behind it.

use std::path::Path;

use quorate_register::{Entropy, ReplicaId};

use super::OpenError;
use super::fields::Fields;
use super::files::{Files, read_all};

const MAGIC: &[u8; 8] = b"QUORATE\n";

/// The format of the whole directory. Any change that an older program would misread raises it.
/// Since 3 the table keeps large values in files of their own.
pub(super) const FORMAT_VERSION: u32 = 3;

/// What a disk is given when it is initialised, and keeps for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// The disk's name among all disks.
    pub(super) replica_id: ReplicaId,
    /// Goes into the checksums of the log. Nobody outside knows it, so no client can write a
    /// value that recovery would take for a frame of this log.
    pub(super) log_salt: u64,
}

impl Identity {
    pub(super) fn random(entropy: &dyn Entropy) -> Self {
        Self {
            replica_id: ReplicaId::random(entropy),
            log_salt: entropy.bits() as u64,
        }
    }

    /// Writes the file of a directory that is being initialised, and syncs it.
    pub(super) fn create(&self, files: &dyn Files, path: &Path) -> Result<(), OpenError> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.extend(FORMAT_VERSION.to_be_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        bytes.extend(self.replica_id.to_bytes());
        bytes.extend(self.log_salt.to_be_bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        files
            .create(path)
            .and_then(|file| {
                file.write_at(&bytes, 0)?;
                file.sync()
            })
            .map_err(|error| OpenError::io("write", path, error))
    }

    /// Reads the file of a complete directory.
    pub(super) fn read(files: &dyn Files, path: &Path) -> Result<Self, OpenError> {
        let bytes = files
            .open(path)
            .and_then(|file| read_all(&*file))
            .map_err(|error| OpenError::reading(path, error))?;
        let lost = || OpenError::lost(path, "its checksum does not match");
        let mut fields = Fields(&bytes);
        if fields.array() != Some(*MAGIC) {
            return Err(OpenError::lost(path, "it does not begin as it should"));
        }
        let found = fields.u32().ok_or_else(lost)?;
        if fields.u32() != Some(crc32c::crc32c(&bytes[..12])) {
            return Err(lost());
        }
        if found != FORMAT_VERSION {
            return Err(OpenError::OtherVersion {
                path: path.parent().unwrap_or(path).to_owned(),
                found,
                supported: FORMAT_VERSION,
            });
        }
        let identity = Self {
            replica_id: ReplicaId::from_bytes(fields.array().ok_or_else(lost)?),
            log_salt: fields.u64().ok_or_else(lost)?,
        };
        let checked = bytes.len() - fields.0.len();
        if fields.u32() != Some(crc32c::crc32c(&bytes[..checked])) || !fields.is_empty() {
            return Err(lost());
        }
        Ok(identity)
    }
}
