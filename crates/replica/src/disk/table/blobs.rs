//! Large pairs in files that merges leave alone, and when their garbage is collected.
//!
//! A merge that drops the last reference to a blob file drops the file. Of one that is still
//! referred to, a merge counts what it drops; once half of a file is garbage, the next merge of
//! all that refers to it copies the other half to a new file. So the files take about twice the
//! length of what is live in them, besides what the last few flushes brought and no merge has
//! seen, and a value is copied about once in its life.

use lsm_tree::KvSeparationOptions;

use crate::disk::Options;

/// The folder of the blob files, in the table's.
pub(super) const FOLDER: &str = "blobs";

/// The share of garbage at which what is live of a file is copied.
const GARBAGE: f32 = 0.5;

/// Which of the files with so much garbage one merge may copy: all of them.
const AGES: f32 = 1.0;

/// What `lsm-tree` is told.
pub(super) fn separation(options: &Options) -> KvSeparationOptions {
    KvSeparationOptions::default()
        .separation_threshold(options.separated_bytes)
        .file_target_size(options.blob_file_bytes)
        .staleness_threshold(GARBAGE)
        .age_cutoff(AGES)
}
