//! The write-ahead log: what is acknowledged and not yet in the table's files.
//!
//! The log is a sequence of *frames*, one per batch, with consecutive numbers (`lsn`), in
//! *segments* with consecutive numbers, one file each, set aside beforehand, all zeros. A frame
//! is written and synced before the next one is begun. From this follows what recovery may
//! take for the torn end of the log, and what is damage: see [`recovery`].

mod contents;
pub(super) mod frame;
pub(super) mod recovery;
pub(super) mod segment;
