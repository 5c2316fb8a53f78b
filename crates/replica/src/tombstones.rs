//! How many of a store's keys are tombstones, from samples.
//!
//! Nothing counts them as they come and go: the committer knows the timestamp that it replaces,
//! not whether a value went with it. But scans go by the hash of keys, so the pairs behind any
//! bucket are a fair sample of all.

use std::collections::VecDeque;

use quorate_register::{Buckets, Page, PageRequest};

use crate::{Store, StoreError};

/// One sample reads at least one pair, and about so many bytes.
const SAMPLE_BYTES: usize = 64 * 1024;

/// So many of the latest samples are taken together.
const SAMPLES: usize = 32;

/// How many buckets the next sample begins behind the last one: the golden section of all, so
/// that samples that follow each other lie far apart.
const STRIDE: u16 = 40_503;

/// The latest samples of one store.
#[derive(Debug, Default)]
pub(crate) struct TombstoneSamples {
    first: u16,
    latest: VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    pairs: usize,
    tombstones: usize,
}

impl TombstoneSamples {
    /// Takes one more sample; returns the share of tombstones among the keys, from 0 to 1: that of
    /// all keys where one sample holds them, 0 without any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn take(&mut self, store: &impl Store) -> Result<f64, StoreError> {
        let first = self.first;
        self.first = first.wrapping_add(STRIDE);
        let scan = |first, last| {
            store.scan(&PageRequest {
                after: None,
                buckets: Buckets { first, last },
                max_bytes: SAMPLE_BYTES,
            })
        };
        let page = scan(first, u16::MAX)?;
        let mut sample = Sample::default();
        sample.add(&page);
        let mut is_all = page.last;
        if page.last && first > 0 {
            let page = scan(0, first - 1)?;
            sample.add(&page);
            is_all = page.last;
        }
        if is_all {
            self.latest.clear();
        }
        self.latest.truncate(SAMPLES - 1);
        self.latest.push_front(sample);
        let (mut pairs, mut tombstones) = (0, 0);
        for sample in &self.latest {
            pairs += sample.pairs;
            tombstones += sample.tombstones;
        }
        Ok(tombstones as f64 / pairs.max(1) as f64)
    }
}

impl Sample {
    fn add(&mut self, page: &Page) {
        let values = page.pairs.iter().map(|(_, pair)| &pair.value);
        self.pairs += page.pairs.len();
        self.tombstones += values.filter(|value| value.is_none()).count();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use quorate_register::{Key, OpId, Pair, Timestamp};

    use super::*;
    use crate::memory::{MemoryDisk, MemoryStore};

    async fn add(store: &MemoryStore, numbers: std::ops::Range<u32>, value: Option<&'static str>) {
        let timestamp = Timestamp {
            counter: 1,
            op_id: OpId::from_bytes([1; 16]),
            ..Timestamp::ZERO
        };
        let pairs: Vec<_> = numbers
            .map(|number| {
                let key = Key::new(number.to_string()).expect("it is short");
                let pair = Pair::new(&key, timestamp, value.map(Into::into));
                (key, pair)
            })
            .collect();
        store.commit(&pairs).await.expect("memory takes them");
    }

    #[tokio::test]
    async fn a_small_store_is_counted_and_a_large_one_estimated() {
        let store = MemoryStore::open(Arc::new(MemoryDisk::default()));
        let mut samples = TombstoneSamples::default();
        let mut share = || samples.take(&store).expect("memory can be read");
        assert_eq!(share(), 0.0, "nothing is there");
        add(&store, 0..6, Some("value")).await;
        add(&store, 6..8, None).await;
        assert_eq!((share(), share()), (0.25, 0.25));
        // Several samples in each part of the store, which all have about half of it.
        add(&store, 8..20_000, None).await;
        add(&store, 20_000..40_000, Some("value")).await;
        let shares: Vec<_> = (0..2 * SAMPLES).map(|_| share()).collect();
        for share in shares {
            assert!((0.45..0.55).contains(&share), "{share}");
        }
    }
}
