//! The durable store: a write-ahead log of our own, checkpointed into a merge tree.
//!
//! # What lies in a data directory
//!
//! | name | contents | written |
//! | --- | --- | --- |
//! | `lock` | held by the process that has the directory open | at each start |
//! | `identity` | `replica_id`, format version, the log's salt | once |
//! | `boots` | the boots that were counted, twice | in place, synced |
//! | `config` | the config the replica holds, twice | in place, synced |
//! | `log/NNNNNNNNNN.log` | what is acknowledged and not yet in the table | appended, synced per batch |
//! | `watermark` | how far the log was synced, at least | in place, synced per segment |
//! | `checkpoint` | from where on the log is needed, twice | in place, synced per flush |
//! | `table/` | all pairs, sorted: the files of `lsm-tree`; large ones in `table/blobs/` | by its flushes and merges |
//! | `retired` | says that the disk is at its end and must be wiped | once, synced |
//! | `initialising` | says that the directory is not complete yet | while initialising |
//!
//! # Why what is acknowledged is there after a crash
//!
//! A batch is one frame of the log. It is written, then synced, then made visible, then
//! acknowledged, so nothing is read or acknowledged that a crash can take. The pairs also go
//! into the table's memory. A segment of the log is removed only after (1) the memory of its
//! pairs was flushed to files, which are synced before the synced manifest names them, and
//! (2) the checkpoint that says so was synced. So at any time each acknowledged pair is in the
//! table's files, or in the log from the checkpoint on, and opening reads both. Any failed
//! write or sync ends the store for good ([`StoreError::Failed`](crate::StoreError)): the kernel
//! forgets pages it could not write, so a second sync would lie.
//!
//! # Why damage is noticed
//!
//! PROTOCOL 2, rule 7: corruption anywhere but in an unsynced tail is a lost disk. One damaged
//! or missing file is always an error, or without effect:
//!
//! - `identity`: checksums; a directory that has anything of ours but no identity is damaged.
//! - `boots`, `config`, `checkpoint`: each saved record lies there twice, see `mirrored`.
//! - `log`: frames are numbered without gaps and checksummed; what may be torn by a crash is
//!   told from damage as `log::recovery` explains. The checkpoint says where the log begins, the
//!   watermark where it ends at least.
//! - `watermark`: two slots with checksums, each a valid lower bound.
//! - `table`: each block, and each large pair, of its files has a checksum, compared when it is
//!   read. What
//!   `lsm-tree` does not compare is compared before it opens: see `table::manifest`. The
//!   checkpoint names the version of the table that must be there, and the frame it covers.
//!   Each pair carries the checksum that its writer made over key, timestamp and value; every
//!   read compares it.
//!
//! The one gap: the last frame of the log, synced, then rotten, *and* the power failed before
//! the page cache brought the watermark to the disk (seconds). Then it looks torn. A pair is on
//! a majority of disks, and this takes two faults on one.

mod backlog;
mod boot_file;
mod checkpoint;
mod commit;
mod config_file;
mod config_format;
mod directory;
mod error;
mod failure;
mod fields;
mod files;
mod identity;
mod initialise;
mod lock;
mod log;
mod mirrored;
mod opening;
mod options;
mod retirement;
mod shared;
mod sketch;
mod store;
mod stored;
mod table;
mod watermark;
mod workers;

pub use directory::DataDirectory;
pub use error::OpenError;
pub use files::{File, Files, SystemFiles};
pub use options::Options;
pub use store::DiskStore;
