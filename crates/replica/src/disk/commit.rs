//! How a batch is committed.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use quorate_register::{Key, Pair};
use tokio::time::Instant;

use super::backlog::Sealed;
use super::error::failed;
use super::log::frame::{self, Seed};
use super::log::segment::Segment;
use super::store::DiskStore;
use super::watermark::{Mark, Watermark};
use crate::StoreError;

/// The end of the log.
pub(super) struct Writer {
    pub(super) active: Segment,
    pub(super) watermark: Watermark,
    pub(super) salt: u64,
    /// The last frame that was written and synced.
    pub(super) lsn: u64,
}

impl DiskStore {
    pub(super) fn commit_now(&self, pairs: &[(Key, Pair)]) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        self.shared.failure.check()?;
        if pairs.is_empty() {
            return Ok(());
        }
        let committed = self.write(&mut writer, pairs);
        committed.map_err(|error| self.shared.fail(error))
    }

    /// The order is the whole point: the frame is synced, then the watermark knows it, then
    /// readers see it.
    fn write(&self, writer: &mut Writer, pairs: &[(Key, Pair)]) -> Result<(), StoreError> {
        self.make_room(writer, frame::encoded_bytes(pairs))?;
        let lsn = writer.lsn + 1;
        let seed = Seed::new(writer.salt, writer.active.number());
        let frame = frame::encode(seed, lsn, pairs).map_err(|error| StoreError::Failed {
            problem: error.to_string(),
        })?;
        let allocated = writer.active.allocated();
        let began = Instant::now();
        writer
            .active
            .append(&frame)
            .map_err(|error| failed("write", writer.active.path(), &error))?;
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.shared.sync_nanos.store(nanos, Ordering::Relaxed);
        let grown = writer.active.allocated() - allocated;
        self.shared.log_bytes.fetch_add(grown, Ordering::Relaxed);
        writer.lsn = lsn;
        let mark = writer.mark();
        writer
            .watermark
            .advance(mark)
            .map_err(|error| failed("write", writer.watermark.path(), &error))?;
        self.publish(lsn, &frame.into())
    }

    /// Makes the pairs of a synced frame visible; their values go on living in its bytes.
    fn publish(&self, lsn: u64, frame: &Bytes) -> Result<(), StoreError> {
        let mut keys = self.shared.keys.lock();
        for record in frame::records(frame) {
            let wrong = || StoreError::Failed {
                problem: format!("frame {lsn} was written wrongly"),
            };
            let (key, stored) = record.ok_or_else(wrong)?;
            let key = Key::new(key).map_err(|_| wrong())?;
            keys.insert(key.bytes());
            self.shared.table.insert(&key, stored, lsn);
        }
        Ok(())
    }

    /// Goes on to the next segment, and with it to the next memtable, if the frame does not fit
    /// into this segment or its pairs take much memory already.
    fn make_room(&self, writer: &mut Writer, frame_bytes: usize) -> Result<(), StoreError> {
        let memory_left = self.shared.table.memtable_bytes() < self.shared.options.memtable_bytes;
        let room = writer.active.has_room_for(frame_bytes) && memory_left;
        if room || writer.active.is_empty() {
            return Ok(());
        }
        let next = self.shared.take_segment(&writer.active)?;
        let mark = Mark {
            lsn: writer.lsn,
            segment: next.number(),
        };
        // Recovery refuses frames in a segment that was not announced.
        let settled = writer.watermark.settle(mark);
        settled.map_err(|error| failed("write", writer.watermark.path(), &error))?;
        let full = std::mem::replace(&mut writer.active, next);
        self.shared.table.seal();
        self.shared.push_sealed(Sealed {
            segment: full.number(),
            lsn: writer.lsn,
        });
        Ok(())
    }
}

impl Writer {
    pub(super) fn mark(&self) -> Mark {
        Mark {
            lsn: self.lsn,
            segment: self.active.number(),
        }
    }
}
