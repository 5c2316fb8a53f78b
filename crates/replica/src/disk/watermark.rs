//! How far the log was synced, as far as a plain write remembers: the file `watermark`.
//!
//! After each sync of the log its position is written here, without a sync of its own. The
//! page cache keeps it when the process is killed, so after that it is exact; after a power
//! loss it may be older, never newer, since it is written after the sync that it reports.
//! Recovery must find the log at least so long. What was synced and then rotted at the very
//! end of the log would otherwise look like a torn write, and be cut off.
//!
//! A new segment of the log is announced here, with a sync, before its first frame is written.
//! So even after a power loss the segment that is written to is known to exist.
//!
//! Two slots in two pages are written in turn: a torn or rotten one leaves the other, which is
//! one commit older and still a lower bound. A slot is `lsn u64 | segment u64 | crc32c u32`.

use std::io;
use std::path::{Path, PathBuf};

use super::OpenError;
use super::fields::Fields;
use super::files::{File, Files, write_zeros};

const SLOT_OFFSETS: [u64; 2] = [0, 4096];
const SLOT_BYTES: usize = 20;

/// A position in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// The last frame that is synced; 0 before the first.
    pub(super) lsn: u64,
    /// The segment that is written to.
    pub(super) segment: u64,
}

/// The open file.
pub(super) struct Watermark {
    path: PathBuf,
    file: Box<dyn File>,
    turn: usize,
}

impl Watermark {
    /// Creates the file, and syncs it.
    pub(super) fn create(files: &dyn Files, path: &Path, mark: Mark) -> Result<(), OpenError> {
        let create = || {
            let file = files.create(path)?;
            write_zeros(&*file, 0, SLOT_OFFSETS[1] + 4096)?;
            write_both(&*file, mark)
        };
        create().map_err(|error| OpenError::io("write", path, error))
    }

    /// Opens the file and reads the mark, a lower bound of what was synced.
    pub(super) fn open(files: &dyn Files, path: &Path) -> Result<(Self, Mark), OpenError> {
        let reading = |error| OpenError::reading(path, error);
        let file = files.open(path).map_err(reading)?;
        let slot = |offset: u64| {
            let mut slot = [0; SLOT_BYTES];
            file.read_at(&mut slot, offset).map(|()| decode(&slot))
        };
        let first = slot(SLOT_OFFSETS[0]).map_err(reading)?;
        let second = slot(SLOT_OFFSETS[1]).map_err(reading)?;
        let newest = first.max(second);
        let mark = newest.ok_or_else(|| OpenError::lost(path, "neither of its slots is valid"))?;
        let path = path.to_owned();
        Ok((
            Self {
                path,
                file,
                turn: 0,
            },
            mark,
        ))
    }

    /// Remembers the mark until the power goes.
    pub(super) fn advance(&mut self, mark: Mark) -> io::Result<()> {
        self.turn = 1 - self.turn;
        self.file.write_at(&encode(mark), SLOT_OFFSETS[self.turn])
    }

    /// Remembers the mark for ever.
    pub(super) fn settle(&self, mark: Mark) -> io::Result<()> {
        write_both(&*self.file, mark)
    }

    /// Where the file lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn write_both(file: &dyn File, mark: Mark) -> io::Result<()> {
    for offset in SLOT_OFFSETS {
        file.write_at(&encode(mark), offset)?;
    }
    file.sync()
}

fn encode(mark: Mark) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(&mark.lsn.to_be_bytes());
    slot[8..16].copy_from_slice(&mark.segment.to_be_bytes());
    let checksum = crc32c::crc32c(&slot[..16]);
    slot[16..].copy_from_slice(&checksum.to_be_bytes());
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Option<Mark> {
    let mut fields = Fields(slot);
    let mark = Mark {
        lsn: fields.u64()?,
        segment: fields.u64()?,
    };
    (fields.u32()? == crc32c::crc32c(&slot[..16])).then_some(mark)
}
