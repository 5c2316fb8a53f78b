//! How much memory and disk a store may take.

/// How much memory and disk a store may take. The defaults stay below 300 MB of memory with a
/// million keys of 100 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Memory for blocks of the table's files, in bytes.
    pub cache_bytes: u64,
    /// Length of a log segment, in bytes. Each is set aside before it is needed, and what it
    /// holds is also in memory until it is in the table; a restart reads what is not.
    pub segment_bytes: u64,
    /// After a segment whose frames had this length on average, in bytes, or more, the one after
    /// the next is set aside without writing zeros: each commit there costs some blocks of the
    /// file system's journal, and small ones would cost more in that way than by the zeros.
    pub long_frame_bytes: u64,
    /// A log segment ends early when its pairs take so many bytes of memory: small pairs
    /// take more room there than in the log.
    pub memtable_bytes: u64,
    /// How many full segments may wait for the table before commits wait, at least 1.
    pub sealed_segments: usize,
    /// The length at which compaction ends a file of the table and begins the next, in bytes.
    pub table_file_bytes: u64,
    /// Stored pairs of this length and above, in bytes, lie in files of their own, which merges
    /// leave alone.
    pub separated_bytes: u32,
    /// The length at which a collection of garbage ends a file of values and begins the next,
    /// in bytes. A flush makes files of a segment's length at most.
    pub blob_file_bytes: u64,
    /// How many files of the table are kept open, at least 10.
    pub open_table_files: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            segment_bytes: 16 << 20,
            long_frame_bytes: 64 << 10,
            memtable_bytes: 32 << 20,
            sealed_segments: 2,
            table_file_bytes: 32 << 20,
            separated_bytes: 4 << 10,
            blob_file_bytes: 64 << 20,
            open_table_files: 256,
        }
    }
}
