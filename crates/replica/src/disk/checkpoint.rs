//! From where on the log is needed: the file `checkpoint`.
//!
//! Saved after the table's files are durable and before a segment of the log is removed. It
//! names what must exist: the table in this version or a later one, and the log from this
//! segment and this frame on.

use std::path::Path;

use super::OpenError;
use super::fields::Fields;
use super::files::Files;
use super::mirrored::{MirroredFile, MirroredFormat};
use super::sketch::KeySketch;

const FORMAT: MirroredFormat = MirroredFormat {
    kind: *b"CKPT",
    slot_bytes: 16 << 10,
};

/// What the table covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// The first segment of the log that is still needed.
    pub(super) first_segment: u64,
    /// The last frame that the table covers; the first segment begins with the next one.
    pub(super) lsn: u64,
    /// The table's version that covers it.
    pub(super) table_version: u64,
    /// The keys so far. It may know keys of later frames, too, which does not matter: they are
    /// synced, and counted once.
    pub(super) keys: KeySketch,
}

impl Checkpoint {
    fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(24 + KeySketch::BYTES);
        payload.extend(self.first_segment.to_be_bytes());
        payload.extend(self.lsn.to_be_bytes());
        payload.extend(self.table_version.to_be_bytes());
        payload.extend(self.keys.as_bytes());
        payload
    }

    fn decode(payload: &[u8]) -> Option<Self> {
        let mut fields = Fields(payload);
        Some(Self {
            first_segment: fields.u64()?,
            lsn: fields.u64()?,
            table_version: fields.u64()?,
            keys: KeySketch::from_bytes(fields.0)?,
        })
    }
}

/// The open file.
pub(super) struct CheckpointFile(MirroredFile);

impl CheckpointFile {
    /// Creates the file, and syncs it.
    pub(super) fn create(
        files: &dyn Files,
        path: &Path,
        first: &Checkpoint,
    ) -> Result<(), OpenError> {
        MirroredFile::create(files, path, FORMAT, &first.encode())
    }

    /// Opens the file and reads the last checkpoint.
    pub(super) fn open(files: &dyn Files, path: &Path) -> Result<(Self, Checkpoint), OpenError> {
        let (file, payload) = MirroredFile::open(files, path, FORMAT)?;
        let checkpoint = Checkpoint::decode(&payload)
            .ok_or_else(|| OpenError::lost(path, "its fields are not a checkpoint"))?;
        Ok((Self(file), checkpoint))
    }

    /// Replaces the checkpoint; durable when it returns.
    pub(super) fn save(&mut self, checkpoint: &Checkpoint) -> std::io::Result<()> {
        self.0.save(&checkpoint.encode())
    }

    /// Where the file lies.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}
