//! What a segment's file holds when the log is read.

use std::path::PathBuf;

use bytes::Bytes;

use super::frame::{self, FrameAt, Seed};
use super::recovery::Replay;
use super::segment::Segment;
use crate::disk::OpenError;
use crate::disk::files::{Files, write_zeros};

/// What follows the last frame of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// What was there from the beginning.
    Zeros,
    /// So many bytes that are no frame, the last of them not zero.
    Torn { bytes: usize },
}

/// A segment, read.
pub(crate) struct Contents {
    number: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    frames: Vec<FrameAt>,
    pub(crate) tail: Tail,
}

impl Contents {
    /// Finds the frames of a segment, of which the first follows frame `lsn`, up to the first
    /// bytes that are no frame.
    ///
    /// # Errors
    /// When the numbers have a gap, or a valid frame follows bytes that are none.
    pub(crate) fn parse(
        number: u64,
        path: PathBuf,
        bytes: Vec<u8>,
        seed: Seed,
        mut lsn: u64,
    ) -> Result<Self, OpenError> {
        let (mut frames, mut end) = (Vec::<FrameAt>::new(), 0);
        while let Some(frame) = frame::find_at(seed, &bytes, end) {
            if frame.lsn != lsn + 1 {
                let problem = format!("frame {} follows frame {lsn}", frame.lsn);
                return Err(OpenError::lost(&path, problem));
            }
            (lsn, end) = (frame.lsn, frame.range.end);
            frames.push(frame);
        }
        if let Some(later) = frame::any_from(seed, &bytes, end) {
            let problem = format!(
                "the frame at byte {end} is damaged, and frame {} behind it was synced",
                later.lsn
            );
            return Err(OpenError::lost(&path, problem));
        }
        let tail = match bytes[end..].iter().rposition(|&byte| byte != 0) {
            None => Tail::Zeros,
            Some(last) => Tail::Torn { bytes: last + 1 },
        };
        Ok(Self {
            number,
            path,
            bytes,
            frames,
            tail,
        })
    }

    /// The number of the last frame, if there is one.
    pub(crate) fn last(&self) -> Option<u64> {
        self.frames.last().map(|frame| frame.lsn)
    }

    fn end(&self) -> usize {
        self.frames.last().map_or(0, |frame| frame.range.end)
    }

    /// Hands on the frames.
    pub(crate) fn replay(&self, replay: &mut dyn Replay) -> Result<(), OpenError> {
        for frame in &self.frames {
            let bytes = Bytes::copy_from_slice(&self.bytes[frame.range.clone()]);
            replay.frame(frame.lsn, bytes)?;
        }
        Ok(())
    }

    /// Cuts a torn end off, and writes the frames behind `synced` again.
    pub(crate) fn make_durable(
        &self,
        files: &dyn Files,
        synced: u64,
    ) -> Result<Segment, OpenError> {
        let end = self.end();
        let unsure = self.frames.iter().find(|frame| frame.lsn > synced);
        let repair = || {
            let file = files.open(&self.path)?;
            if let Some(first) = unsure {
                let start = first.range.start;
                file.write_at(&self.bytes[start..end], start as u64)?;
            }
            if let Tail::Torn { bytes } = self.tail {
                tracing::info!(path = %self.path.display(), bytes, "cutting off a torn write");
                write_zeros(&*file, end as u64, bytes as u64)?;
            }
            file.sync()?;
            Ok(file)
        };
        let file = repair().map_err(|error| OpenError::io("repair", &self.path, error))?;
        let allocated = self.bytes.len() as u64;
        Ok(Segment::existing(
            self.number,
            self.path.clone(),
            file,
            allocated,
            self.frames.len() as u64,
            end as u64,
        ))
    }
}
