//! When and how members are repaired.

use std::time::Duration;

/// When and how members are repaired.
///
/// What is held in memory at once is at most `ranges` × members × (`page_bytes` and one value).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairOptions {
    /// How long from the end of one round to the begin of the next, when members were in step; a
    /// random part of it less, so that coordinators do not look all at once.
    pub interval: Duration,
    /// How long until a bucket that differs is looked at again: only what differs then too is
    /// repaired, since writes in flight make buckets differ for a short time.
    pub second_look: Duration,
    /// How many bytes of keys and values are asked of a member at once.
    pub page_bytes: usize,
    /// How many ranges of buckets are repaired at once.
    pub ranges: usize,
    /// The most keys copied a second.
    pub rate: u64,
    /// The most keys copied a second while this coordinator has operations in flight.
    pub busy_rate: u64,
    /// How long one request waits for its answer.
    pub request_timeout: Duration,
}

impl Default for RepairOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            second_look: Duration::from_millis(500),
            page_bytes: 128 << 10,
            ranges: 16,
            rate: 200_000,
            busy_rate: 10_000,
            request_timeout: Duration::from_secs(2),
        }
    }
}
