//! Reads the log when a store opens, and tells a torn end from damage.
//!
//! A crash can only hurt what was not synced: the frame that was being written, of which any
//! subset of sectors may have reached the disk. There is one such frame, it is the last of
//! the log, and nothing behind it was ever written. So when reading stops at bytes that are no
//! frame, it is that torn frame, to be cut off, only if
//!
//! - no valid frame follows in this segment, since a later frame proves that this one was synced;
//! - the segment is the one written to: a segment is left only when all its frames are synced,
//!   and what follows them there are zeros;
//! - the [watermark](super::super::watermark) says no frame from here on was synced.
//!
//! Everything else is a lost disk: damage in the middle, a missing segment, a gap in the numbers
//! of frames or segments, frames in a segment that was never announced.
//!
//! What is read beyond the watermark may be in the page cache only: the process was killed before
//! its sync, or the sync failed, after which the kernel takes the pages for written. So these
//! frames are written again and synced before anybody sees them.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::contents::{Contents, Tail};
use super::frame::Seed;
use super::segment::{self, Segment};
use crate::disk::OpenError;
use crate::disk::files::{Files, read_all};
use crate::disk::watermark::Mark;

/// What the other files say about the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    /// The disk's salt.
    pub(crate) salt: u64,
    /// The first segment that is still needed.
    pub(crate) first_segment: u64,
    /// The last frame before it.
    pub(crate) lsn: u64,
    /// The segment written to, and a frame that was synced.
    pub(crate) mark: Mark,
}

/// Takes what is read.
pub(crate) trait Replay {
    /// The next frame.
    fn frame(&mut self, lsn: u64, frame: Bytes) -> Result<(), OpenError>;

    /// A segment that will not be written to any more has ended, with this frame.
    fn sealed(&mut self, segment: u64, lsn: u64) -> Result<(), OpenError>;
}

/// The log, ready to be written to.
pub(crate) struct Recovered {
    /// The segment to write to.
    pub(crate) active: Segment,
    /// The last frame.
    pub(crate) lsn: u64,
    /// The length of all segments that are needed, in bytes.
    pub(crate) bytes: u64,
}

/// Reads the log in `folder` from its first needed segment on.
pub(crate) fn recover(
    files: &dyn Files,
    folder: &Path,
    expected: Expected,
    replay: &mut dyn Replay,
) -> Result<Recovered, OpenError> {
    let active = expected.mark.segment;
    let reader = Reader {
        files,
        folder,
        salt: expected.salt,
    };
    let unneeded = reader.check_names(expected)?;
    let mut lsn = expected.lsn;
    let mut bytes = 0;
    for number in expected.first_segment..active {
        let contents = reader.read(number, lsn)?;
        lsn = match (contents.last(), contents.tail) {
            (Some(last), Tail::Zeros) => last,
            _ => {
                let problem = "a frame is damaged, and later ones were synced";
                return Err(OpenError::lost(&contents.path, problem));
            }
        };
        contents.replay(replay)?;
        replay.sealed(number, lsn)?;
        bytes += contents.bytes.len() as u64;
    }
    let contents = reader.read(active, lsn)?;
    let last = contents.last().unwrap_or(lsn);
    if last < expected.mark.lsn {
        let problem = format!(
            "frame {} was synced, and the log ends with frame {last}",
            expected.mark.lsn
        );
        return Err(OpenError::lost(&contents.path, problem));
    }
    bytes += contents.bytes.len() as u64;
    // Nothing on the disk is changed before here, where the whole log is known to be sound.
    let segment = contents.make_durable(files, expected.mark.lsn)?;
    contents.replay(replay)?;
    for path in unneeded {
        files
            .remove(&path)
            .map_err(|error| OpenError::io("remove", &path, error))?;
    }
    Ok(Recovered {
        active: segment,
        lsn: last,
        bytes,
    })
}

struct Reader<'a> {
    files: &'a dyn Files,
    folder: &'a Path,
    salt: u64,
}

impl Reader<'_> {
    /// Checks that every needed segment is there; returns what may be removed: segments that
    /// the table covers, and one that was prepared and never announced.
    fn check_names(&self, expected: Expected) -> Result<Vec<PathBuf>, OpenError> {
        let active = expected.mark.segment;
        if active < expected.first_segment {
            let problem = format!(
                "segment {} is needed, and the newest is {active}",
                expected.first_segment
            );
            return Err(OpenError::lost(self.folder, problem));
        }
        let names = self
            .files
            .list(self.folder)
            .map_err(|error| OpenError::reading(self.folder, error))?;
        let numbers: Vec<_> = names.iter().filter_map(|n| segment::number_of(n)).collect();
        for number in expected.first_segment..=active {
            if !numbers.contains(&number) {
                let path = self.folder.join(segment::name(number));
                return Err(OpenError::lost(&path, "the file is missing"));
            }
        }
        let mut unneeded = Vec::new();
        for number in numbers {
            let path = self.folder.join(segment::name(number));
            if number > active && self.bytes(&path)?.iter().any(|&byte| byte != 0) {
                let problem = format!("it has contents, and segment {active} was the newest");
                return Err(OpenError::lost(&path, problem));
            }
            if number < expected.first_segment || number > active {
                unneeded.push(path);
            }
        }
        Ok(unneeded)
    }

    /// Reads a segment whose first frame follows frame `lsn`.
    fn read(&self, number: u64, lsn: u64) -> Result<Contents, OpenError> {
        let path = self.folder.join(segment::name(number));
        let bytes = self.bytes(&path)?;
        Contents::parse(number, path, bytes, Seed::new(self.salt, number), lsn)
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>, OpenError> {
        self.files
            .open(path)
            .and_then(|file| read_all(&*file))
            .map_err(|error| OpenError::reading(path, error))
    }
}
