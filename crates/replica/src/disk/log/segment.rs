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

/// How the place of a segment is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preparation {
    /// Zeros are written all along, so that the sync of a frame writes the frame and nothing
    /// else. The segment is written twice.
    Zeros,
    /// The file system sets the place aside and answers zeros until it is written to. The sync
    /// of a frame also records that its place was written: some blocks of the file system's
    /// journal, less than the zeros if the frame is long.
    Allocation,
}

/// A segment that is, or will be, written to.
pub(crate) struct Segment {
    number: u64,
    path: PathBuf,
    file: Box<dyn File>,
    allocated: u64,
    frames: u64,
    end: u64,
}

impl Segment {
    /// Creates the file of an empty segment, which reads as zeros all along, durable with its
    /// name, length and place on the disk: a frame that is written later changes none of them,
    /// and until it is synced each of its sectors is what it was, zeros, or new.
    pub(crate) fn prepare(
        files: &dyn Files,
        folder: &Path,
        number: u64,
        bytes: u64,
        preparation: Preparation,
    ) -> io::Result<Self> {
        let path = folder.join(name(number));
        let file = files.create(&path)?;
        match preparation {
            Preparation::Zeros => write_zeros(&*file, 0, bytes)?,
            Preparation::Allocation => file.allocate(bytes)?,
        }
        file.sync()?;
        files.sync_directory(folder)?;
        Ok(Self {
            number,
            path,
            file,
            allocated: bytes,
            frames: 0,
            end: 0,
        })
    }

    /// A segment with so many frames, of which the last ends at `end`.
    pub(crate) fn existing(
        number: u64,
        path: PathBuf,
        file: Box<dyn File>,
        allocated: u64,
        frames: u64,
        end: u64,
    ) -> Self {
        Self {
            number,
            path,
            file,
            allocated,
            frames,
            end,
        }
    }

    /// Writes a frame behind the last one and syncs it.
    pub(crate) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.file.write_at(frame, self.end)?;
        self.file.sync()?;
        self.end += frame.len() as u64;
        self.frames += 1;
        self.allocated = self.allocated.max(self.end);
        Ok(())
    }

    /// Whether so many bytes more fit. A frame longer than a segment goes into an empty one,
    /// which then grows.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        self.end == 0 || self.end + bytes as u64 <= self.allocated
    }

    /// The length of its frames on average, in bytes; 0 without any.
    pub(crate) fn average_frame(&self) -> u64 {
        self.end.checked_div(self.frames).unwrap_or(0)
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
