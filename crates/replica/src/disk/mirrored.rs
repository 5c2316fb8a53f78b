//! A small record that is replaced in place and never lost: two copies, one written after the
//! other.
//!
//! A record is written to the first slot, synced, written to the second slot, synced; only then
//! it counts as saved. So *every saved record lies on the disk twice*, and whatever goes wrong
//! with one slot, the other tells the truth:
//!
//! - A crash while the first slot is written leaves it old, new or torn. The second holds the
//!   record saved before, which is the newest one anybody relies on.
//! - A crash while the second slot is written: the first was synced before and holds the new
//!   record.
//! - Bits flip in one slot of a saved record: the other slot has the same record. This is why
//!   two slots written in turn, each with another record, would not do: there, damage to the
//!   newer slot looks like a torn write, and an older record would be served.
//! - Both slots are unreadable: the disk is lost.
//!
//! Opening writes the winner to both slots again before it is used. So a second fault finds two
//! copies, and what was read from the page cache is on the disk, even if it came there by a
//! write whose sync failed. Both slots are written when the file is created, so a full disk
//! cannot keep a later record from being saved.
//!
//! A slot is `kind 4 | sequence u64 | length u32 | crc32c u32 of the rest | payload`.

use std::io;
use std::path::{Path, PathBuf};

use super::OpenError;
use super::fields::Fields;
use super::files::{File, Files, write_zeros};

const HEADER_BYTES: usize = 20;

/// What a file holds and how long it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct MirroredFormat {
    /// Tells apart the files of a directory.
    pub(super) kind: [u8; 4],
    /// The space set aside for each copy, in bytes.
    pub(super) slot_bytes: usize,
}

/// A file with two copies of one record.
pub(super) struct MirroredFile {
    path: PathBuf,
    file: Box<dyn File>,
    format: MirroredFormat,
    sequence: u64,
}

struct Record {
    sequence: u64,
    payload: Vec<u8>,
}

impl MirroredFile {
    /// Creates the file with a first record, and syncs it.
    pub(super) fn create(
        files: &dyn Files,
        path: &Path,
        format: MirroredFormat,
        payload: &[u8],
    ) -> Result<(), OpenError> {
        let create = || {
            let file = files.create(path)?;
            write_zeros(&*file, 0, 2 * format.slot_bytes as u64)?;
            let slot = format.encode(0, payload)?;
            file.write_at(&slot, 0)?;
            file.write_at(&slot, format.slot_bytes as u64)?;
            file.sync()
        };
        create().map_err(|error| OpenError::io("write", path, error))
    }

    /// Opens the file and reads the newest saved record, or one whose saving a crash cut
    /// short; when this returns, it is saved.
    pub(super) fn open(
        files: &dyn Files,
        path: &Path,
        format: MirroredFormat,
    ) -> Result<(Self, Vec<u8>), OpenError> {
        let reading = |error| OpenError::reading(path, error);
        let file = files.open(path).map_err(reading)?;
        let slot = |index| format.read(&*file, index).map_err(reading);
        let (first, second) = (slot(0)?, slot(1)?);
        let winner = match (first, second) {
            (Some(first), Some(second)) if first.sequence == second.sequence => {
                if first.payload != second.payload {
                    return Err(OpenError::lost(path, "its two copies differ"));
                }
                first
            }
            // The crash came between the two writes.
            (Some(first), Some(second)) if first.sequence == second.sequence + 1 => first,
            (Some(_), Some(_)) => {
                return Err(OpenError::lost(path, "its two copies cannot have met"));
            }
            (Some(winner), None) | (None, Some(winner)) => winner,
            (None, None) => return Err(OpenError::lost(path, "neither of its copies is valid")),
        };
        let mirrored = Self {
            path: path.to_owned(),
            file,
            format,
            sequence: winner.sequence,
        };
        mirrored
            .write_both(&winner.payload)
            .map_err(|error| OpenError::io("write", path, error))?;
        Ok((mirrored, winner.payload))
    }

    /// Replaces the record; durable when it returns.
    pub(super) fn save(&mut self, payload: &[u8]) -> io::Result<()> {
        self.sequence += 1;
        self.write_both(payload)
    }

    /// Where the file lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the slots one after the other. A repair, too, begins with the first: if the
    /// second held the only good copy, it is not touched before the first has it.
    fn write_both(&self, payload: &[u8]) -> io::Result<()> {
        let slot = self.format.encode(self.sequence, payload)?;
        for index in 0..2 {
            let offset = index * self.format.slot_bytes as u64;
            self.file.write_at(&slot, offset)?;
            self.file.sync()?;
        }
        Ok(())
    }
}

impl MirroredFormat {
    fn encode(self, sequence: u64, payload: &[u8]) -> io::Result<Vec<u8>> {
        if HEADER_BYTES + payload.len() > self.slot_bytes {
            let problem = format!("{} bytes do not fit in the slot", payload.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let mut slot = Vec::with_capacity(HEADER_BYTES + payload.len());
        slot.extend(self.kind);
        slot.extend(sequence.to_be_bytes());
        slot.extend((payload.len() as u32).to_be_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&slot), payload);
        slot.extend(checksum.to_be_bytes());
        slot.extend(payload);
        Ok(slot)
    }

    fn read(self, file: &dyn File, index: u64) -> io::Result<Option<Record>> {
        let mut slot = vec![0; self.slot_bytes];
        file.read_at(&mut slot, index * self.slot_bytes as u64)?;
        Ok(self.decode(&slot))
    }

    /// The record of a slot, unless it is torn or damaged.
    fn decode(self, slot: &[u8]) -> Option<Record> {
        let mut fields = Fields(slot);
        let kind: [u8; 4] = fields.array()?;
        let sequence = fields.u64()?;
        let length = fields.u32()? as usize;
        let stated = fields.u32()?;
        let payload = fields.bytes(length)?;
        let checked = HEADER_BYTES - size_of::<u32>();
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&slot[..checked]), payload);
        (kind == self.kind && checksum == stated).then(|| Record {
            sequence,
            payload: payload.to_vec(),
        })
    }
}
