//! One file of the log.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::files::{File, Files, write_zeros};

/// The name of a segment's file.
pub(crate) fn name(number: u64) -> String {
    format!("{number:010}.log")
}

/// The number of the segment with this file name.
pub(crate) fn number_of(file_name: &str) -> Option<u64> {
    let number = file_name.strip_suffix(".log")?.parse().ok()?;
    (name(number) == file_name).then_some(number)
}

/// A segment that is, or will be, written to.
pub(crate) struct Segment {
    number: u64,
    path: PathBuf,
    file: Box<dyn File>,
    allocated: u64,
    end: u64,
}

impl Segment {
    /// Creates the file of an empty segment, zeros all along, durable with its name: so a later
    /// sync of a frame has to write the frame only, and no length or place on the disk.
    pub(crate) fn prepare(
        files: &dyn Files,
        folder: &Path,
        number: u64,
        bytes: u64,
    ) -> io::Result<Self> {
        let path = folder.join(name(number));
        let file = files.create(&path)?;
        write_zeros(&*file, 0, bytes)?;
        file.sync()?;
        files.sync_directory(folder)?;
        Ok(Self::existing(number, path, file, bytes, 0))
    }

    /// A segment whose last frame ends at `end`.
    pub(crate) fn existing(
        number: u64,
        path: PathBuf,
        file: Box<dyn File>,
        allocated: u64,
        end: u64,
    ) -> Self {
        Self {
            number,
            path,
            file,
            allocated,
            end,
        }
    }

    /// Writes a frame behind the last one and syncs it.
    pub(crate) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.file.write_at(frame, self.end)?;
        self.file.sync()?;
        self.end += frame.len() as u64;
        self.allocated = self.allocated.max(self.end);
        Ok(())
    }

    /// Whether so many bytes more fit. A frame longer than a segment goes into an empty one,
    /// which then grows.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.end == 0 || self.end + bytes as u64 <= self.allocated
    }

    /// Whether it has no frame yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Its number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Its length on the disk, in bytes.
    pub(crate) fn allocated(&self) -> u64 {
        self.allocated
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_belong_together() {
        assert_eq!(name(7), "0000000007.log");
        assert_eq!(number_of("0000000007.log"), Some(7));
        assert_eq!(number_of(&name(u64::MAX)), Some(u64::MAX));
        for other in [
            "7.log",
            "00000000007.log",
            "+000000007.log",
            "0000000007",
            "a.log",
        ] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
