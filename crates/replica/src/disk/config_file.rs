//! The config that this replica holds: the file `config`.
//!
//! Its space is set aside when the disk is initialised, for the longest config there can be: a
//! full disk must not keep a replica from adopting. A missing or unreadable config is a lost
//! disk, since an older or no config would let operations of a past epoch in.

use std::path::Path;

use quorate_register::HeldConfig;

use super::files::Files;
use super::mirrored::{MirroredFile, MirroredFormat};
use super::{OpenError, config_format};

const FORMAT: MirroredFormat = MirroredFormat {
    kind: *b"CONF",
    slot_bytes: 128 << 10,
};

// The header of a slot has 20 bytes.
const _: () = assert!(config_format::MAX_BYTES + 20 <= FORMAT.slot_bytes);

/// The open file.
pub(super) struct ConfigFile(MirroredFile);

impl ConfigFile {
    /// Creates the file of a disk that never held a config, and syncs it.
    pub(super) fn create(files: &dyn Files, path: &Path) -> Result<(), OpenError> {
        MirroredFile::create(files, path, FORMAT, &[])
    }

    /// Opens the file and reads the config, if the disk ever held one.
    pub(super) fn open(
        files: &dyn Files,
        path: &Path,
    ) -> Result<(Self, Option<HeldConfig>), OpenError> {
        let (file, payload) = MirroredFile::open(files, path, FORMAT)?;
        let config = match payload.as_slice() {
            [] => None,
            bytes => Some(
                config_format::decode(bytes)
                    .map_err(|problem| OpenError::lost(path, problem.to_string()))?,
            ),
        };
        Ok((Self(file), config))
    }

    /// Replaces the config; durable when it returns.
    pub(super) fn save(&mut self, config: &HeldConfig) -> std::io::Result<()> {
        self.0.save(&config_format::encode(config))
    }

    /// Where the file lies.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}
