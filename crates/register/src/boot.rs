//! Boots of a disk: what tells a disk from an old copy of it.

use crate::{BootNonce, Entropy};

/// The longest name of a volume, in bytes; a volume claim's UID has 36.
pub const MAX_VOLUME_BYTES: usize = 256;

/// One start of a replica on its disk.
///
/// A volume that was restored from an old copy is like the volume at the time of the copy, and
/// tells nothing by itself. So every start is counted twice: on the disk, and in the boot
/// counters, which lie elsewhere and which no restored volume brings back (PROTOCOL 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// One more with each boot; the first has 1.
    pub number: u64,
    /// Drawn for this boot: two copies of a disk that start count to the same number.
    pub nonce: BootNonce,
}

impl Boot {
    /// The boot behind `last`, with a fresh nonce.
    pub fn after(last: Option<Boot>, entropy: &dyn Entropy) -> Self {
        let last = last.map_or(0, |boot| boot.number);
        Self {
            number: last.saturating_add(1),
            nonce: BootNonce::random(entropy),
        }
    }
}

/// What a disk says of its boots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskBoots {
    /// The last boot that was admitted; `None` on a disk that never served.
    pub admitted: Option<Boot>,
    /// The boot that waits to be admitted. It stays the same over restarts until it is: the
    /// boot counters may have counted it already.
    pub intent: Option<Boot>,
    /// The volume that the disk was bound to when a boot was admitted, such as a volume claim's
    /// UID, if anybody named one.
    pub volume: Option<String>,
}

impl DiskBoots {
    /// These boots with the next one as the intent; the same if one waits already.
    #[must_use]
    pub fn intending(&self, entropy: &dyn Entropy) -> Self {
        let next = || Boot::after(self.admitted, entropy);
        Self {
            intent: Some(self.intent.unwrap_or_else(next)),
            ..self.clone()
        }
    }

    /// These boots once `boot` is admitted, on `volume` if that is known.
    #[must_use]
    pub fn admitting(&self, boot: Boot, volume: Option<&str>) -> Self {
        Self {
            admitted: Some(boot),
            intent: None,
            volume: volume.map(str::to_owned).or_else(|| self.volume.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Counting(AtomicU64);

    impl Entropy for Counting {
        fn bits(&self) -> u128 {
            self.0.fetch_add(1, Ordering::Relaxed).into()
        }
    }

    #[test]
    fn an_intent_stays_until_it_is_admitted() {
        let entropy = Counting(AtomicU64::new(1));
        let first = DiskBoots::default().intending(&entropy);
        let intent = first.intent.unwrap();
        assert_eq!((first.admitted, intent.number), (None, 1));
        assert_eq!(first.intending(&entropy), first);
        let admitted = first.admitting(intent, Some("claim-1"));
        assert_eq!((admitted.admitted, admitted.intent), (Some(intent), None));
        let second = admitted.intending(&entropy);
        let next = second.intent.unwrap();
        assert_eq!(next.number, 2);
        assert_ne!(next.nonce, intent.nonce);
        // A volume that nobody names stays the bound one.
        let kept = second.admitting(next, None);
        assert_eq!(kept.volume.as_deref(), Some("claim-1"));
        let moved = second.admitting(next, Some("claim-2"));
        assert_eq!(moved.volume.as_deref(), Some("claim-2"));
    }
}
