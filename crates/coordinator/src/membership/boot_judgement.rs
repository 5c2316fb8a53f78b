//! Whether a boot may be admitted: a pure decision.

use std::fmt;

use quorate_register::mutation::{Mutation, active};
use quorate_register::{Boot, Identity};

use super::BootEntry;

/// What is done about the boot of one disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootJudgement {
    /// The replica serves, and its boot is counted.
    Counted,
    /// The boot that waits is counted already: admit it.
    Admit,
    /// Count this boot first, by compare-and-swap; then admit it, unless the replica serves.
    Count(BootEntry),
    /// The disk is an old copy, or may be: it is not admitted. It is not wiped for that either,
    /// until an active config excludes its id.
    Amnesiac(Amnesia),
    /// Nothing is known of this disk, though it held a config: a person must accept it.
    Unknown,
}

/// Why a disk counts as an old copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Amnesia {
    /// A later boot than the disk's last one was counted: since the copy was taken, the disk
    /// served, and may have acknowledged what the copy lacks.
    Older {
        /// The boot that was counted.
        counted: u64,
        /// The last one the disk knows; 0 for none.
        disk: u64,
    },
    /// The disk knows of a later boot than was counted: the boot counters are old, and do not
    /// tell whether the disk is.
    CountersOlder {
        /// The boot that was counted.
        counted: u64,
        /// The last one the disk knows.
        disk: u64,
    },
    /// Another boot of the same number was counted: that of another copy of the disk.
    OtherCopy {
        /// Its number.
        number: u64,
    },
    /// The disk lies on another volume than the one it was bound to.
    OtherVolume {
        /// The one it was bound to.
        bound: String,
        /// The one it lies on.
        found: String,
    },
    /// Another pod answers with the same id.
    TwoPods {
        /// The other.
        other: String,
    },
}

impl fmt::Display for Amnesia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Older { counted, disk } => write!(
                f,
                "the disk is an old copy: boot {counted} was counted, and it knows boots up to {disk}"
            ),
            Self::CountersOlder { counted, disk } => write!(
                f,
                "the boot counters are old, and cannot tell whether the disk is: they count \
                 boots up to {counted}, and the disk knows boot {disk}"
            ),
            Self::OtherCopy { number } => write!(
                f,
                "the disk is a copy: boot {number} was counted for another one of the same id"
            ),
            Self::OtherVolume { bound, found } => {
                write!(
                    f,
                    "the disk was bound to volume {bound}, and lies on {found}"
                )
            }
            Self::TwoPods { other } => write!(f, "pod {other} has a disk of the same id"),
        }
    }
}

/// What is known of a disk besides its entry in the boot counters.
#[derive(Debug, Clone, Copy)]
pub struct DiskFacts<'a> {
    /// What its replica says.
    pub identity: &'a Identity,
    /// The volume it lies on, if that can be told.
    pub volume: Option<&'a str>,
    /// Whether some config lists its id, or lists it as retired.
    pub known: bool,
}

/// Compares a disk with its entry in the boot counters (PROTOCOL 5).
///
/// The counters must have been read before the identity was asked for: they only grow, so an
/// entry that is behind the disk may be news of a moment ago, and one that is ahead of it is
/// not. A swap that rests on an entry of a moment ago fails.
pub fn judge_boot(entry: Option<&BootEntry>, disk: DiskFacts<'_>) -> BootJudgement {
    let boots = &disk.identity.boots;
    let waits = boots.intent.filter(|_| !disk.identity.admitted);
    match (waits, boots.admitted) {
        (Some(intent), last) => judge_waiting(entry, disk, intent, last),
        (None, Some(serving)) if disk.identity.admitted => judge_serving(entry, disk, serving),
        // It says nothing of its boot, as no replica does.
        (None, _) => BootJudgement::Unknown,
    }
}

/// A replica that serves was admitted, or needs no admission. What it was admitted on is true
/// for as long as it runs, so an entry that is missing or old is put right.
fn judge_serving(entry: Option<&BootEntry>, disk: DiskFacts<'_>, boot: Boot) -> BootJudgement {
    let count = || {
        BootJudgement::Count(BootEntry {
            boot,
            volume: volume(entry, disk),
        })
    };
    match entry {
        None => count(),
        Some(entry) if entry.boot == boot => BootJudgement::Counted,
        Some(entry) if entry.boot.number < boot.number => count(),
        Some(entry) => BootJudgement::Amnesiac(difference(entry.boot, Some(boot))),
    }
}

fn judge_waiting(
    entry: Option<&BootEntry>,
    disk: DiskFacts<'_>,
    intent: Boot,
    last: Option<Boot>,
) -> BootJudgement {
    let counted = entry.is_some_and(|entry| entry.boot == intent);
    // Once the intent is counted its entry has the volume; a person may have accepted another.
    let bound = match entry {
        Some(entry) if counted => entry.volume.as_deref(),
        _ => disk.identity.boots.volume.as_deref(),
    };
    if let (Some(bound), Some(found)) = (bound, disk.volume)
        && bound != found
    {
        return BootJudgement::Amnesiac(Amnesia::OtherVolume {
            bound: bound.to_owned(),
            found: found.to_owned(),
        });
    }
    let count = || {
        BootJudgement::Count(BootEntry {
            boot: intent,
            volume: volume(entry, disk),
        })
    };
    match entry {
        Some(_) if counted => BootJudgement::Admit,
        Some(entry) if Some(entry.boot) == last => count(),
        Some(_) if active(Mutation::AmnesiacCounted) => count(),
        Some(entry) => BootJudgement::Amnesiac(difference(entry.boot, last)),
        None if disk.identity.cluster_id.is_none() && !disk.known => count(),
        None => BootJudgement::Unknown,
    }
}

/// How the boot that was counted differs from the last one of the disk.
fn difference(counted: Boot, disk: Option<Boot>) -> Amnesia {
    let number = disk.map_or(0, |boot| boot.number);
    match counted.number.cmp(&number) {
        std::cmp::Ordering::Greater => Amnesia::Older {
            counted: counted.number,
            disk: number,
        },
        std::cmp::Ordering::Less => Amnesia::CountersOlder {
            counted: counted.number,
            disk: number,
        },
        std::cmp::Ordering::Equal => Amnesia::OtherCopy { number },
    }
}

fn volume(entry: Option<&BootEntry>, disk: DiskFacts<'_>) -> Option<String> {
    let bound = || disk.identity.boots.volume.clone();
    let found = disk.volume.map(str::to_owned);
    found
        .or_else(|| entry.and_then(|entry| entry.volume.clone()))
        .or_else(bound)
}

#[cfg(test)]
mod tests {
    use quorate_register::{BootNonce, ClusterId, DiskBoots, ReplicaId};

    use super::*;

    fn boot(number: u8) -> Boot {
        Boot {
            number: number.into(),
            nonce: BootNonce::from_bytes([number; 16]),
        }
    }

    /// The same number as [`boot`], of another copy.
    fn other(number: u8) -> Boot {
        Boot {
            nonce: BootNonce::from_bytes([200; 16]),
            ..boot(number)
        }
    }

    fn entry(boot: Boot, volume: Option<&str>) -> BootEntry {
        let volume = volume.map(str::to_owned);
        BootEntry { boot, volume }
    }

    /// A disk: the last boot admitted, the one that waits (or the replica serves).
    fn disk(admitted: Option<Boot>, intent: Option<Boot>) -> Identity {
        Identity {
            replica_id: ReplicaId::from_bytes([1; 16]),
            pod: "replica-0".into(),
            cluster_id: Some(ClusterId::from_bytes([2; 16])),
            config: None,
            keys: 0,
            disk_full: false,
            admitted: intent.is_none(),
            leaving: false,
            boots: DiskBoots {
                admitted,
                intent,
                volume: Some("v1".into()),
            },
        }
    }

    fn virgin(admitted: Option<Boot>, intent: Option<Boot>) -> Identity {
        let mut identity = disk(admitted, intent);
        identity.cluster_id = None;
        identity.boots.volume = None;
        identity
    }

    fn judge(entry: Option<BootEntry>, identity: &Identity) -> BootJudgement {
        let facts = DiskFacts {
            identity,
            volume: Some("v1"),
            known: true,
        };
        judge_boot(entry.as_ref(), facts)
    }

    fn count(boot: Boot) -> BootJudgement {
        BootJudgement::Count(entry(boot, Some("v1")))
    }

    fn amnesiac(difference: Amnesia) -> BootJudgement {
        BootJudgement::Amnesiac(difference)
    }

    #[test]
    fn a_disk_that_waits_is_compared_with_its_entry() {
        let waits = disk(Some(boot(4)), Some(boot(5)));
        let on = |counted: Boot| judge(Some(entry(counted, Some("v1"))), &waits);
        assert_eq!(on(boot(4)), count(boot(5)));
        assert_eq!(on(boot(5)), BootJudgement::Admit);
        assert_eq!(on(other(4)), amnesiac(Amnesia::OtherCopy { number: 4 }));
        for counted in [other(5), boot(6), boot(9)] {
            let (counted, number) = (counted, counted.number);
            let older = Amnesia::Older {
                counted: number,
                disk: 4,
            };
            assert_eq!(on(counted), amnesiac(older));
        }
        let counters_older = Amnesia::CountersOlder {
            counted: 3,
            disk: 4,
        };
        assert_eq!(on(boot(3)), amnesiac(counters_older));
        assert_eq!(judge(None, &waits), BootJudgement::Unknown);
    }

    #[test]
    fn a_disk_that_was_never_admitted() {
        let waits = disk(None, Some(boot(1)));
        let on = |counted: Boot| judge(Some(entry(counted, None)), &waits);
        assert_eq!(on(boot(1)), BootJudgement::Admit);
        let older = Amnesia::Older {
            counted: 1,
            disk: 0,
        };
        assert_eq!(on(other(1)), amnesiac(older));
    }

    #[test]
    fn an_empty_disk_is_welcome_unless_its_id_is_known() {
        for identity in [
            virgin(None, Some(boot(1))),
            virgin(Some(boot(1)), Some(boot(2))),
        ] {
            let intent = identity.boots.intent.unwrap();
            let with = |known| {
                let facts = DiskFacts {
                    identity: &identity,
                    volume: Some("v1"),
                    known,
                };
                judge_boot(None, facts)
            };
            assert_eq!(with(false), count(intent));
            // It was emptied by a copy from before it joined, and the counters are lost.
            assert_eq!(with(true), BootJudgement::Unknown);
        }
    }

    #[test]
    fn another_volume_than_the_bound_one_is_another_disk() {
        let other_volume = |bound: &str| {
            amnesiac(Amnesia::OtherVolume {
                bound: bound.into(),
                found: "v2".into(),
            })
        };
        let waits = disk(Some(boot(4)), Some(boot(5)));
        let on = |counted: Option<BootEntry>, volume| {
            let facts = DiskFacts {
                identity: &waits,
                volume,
                known: true,
            };
            judge_boot(counted.as_ref(), facts)
        };
        let bound = |boot, volume| Some(entry(boot, Some(volume)));
        assert_eq!(on(bound(boot(4), "v1"), Some("v2")), other_volume("v1"));
        // A person accepted it on this volume, or on another again.
        assert_eq!(on(bound(boot(5), "v2"), Some("v2")), BootJudgement::Admit);
        assert_eq!(on(bound(boot(5), "v3"), Some("v2")), other_volume("v3"));
        // What cannot be told is not compared.
        assert_eq!(on(bound(boot(5), "v1"), None), BootJudgement::Admit);
    }

    #[test]
    fn a_replica_that_serves_is_counted() {
        let serves = disk(Some(boot(4)), None);
        let on = |counted: Boot| judge(Some(entry(counted, None)), &serves);
        assert_eq!(
            judge(None, &serves),
            count(boot(4)),
            "the counters were lost"
        );
        assert_eq!(on(boot(4)), BootJudgement::Counted);
        assert_eq!(on(boot(3)), count(boot(4)), "the counters went back");
        assert_eq!(on(other(4)), amnesiac(Amnesia::OtherCopy { number: 4 }));
        let older = Amnesia::Older {
            counted: 5,
            disk: 4,
        };
        assert_eq!(on(boot(5)), amnesiac(older));
    }

    #[test]
    fn a_replica_that_says_nothing_of_its_boot_is_unknown() {
        let mut silent = disk(None, None);
        assert_eq!(judge(None, &silent), BootJudgement::Unknown);
        silent.admitted = false;
        assert_eq!(judge(None, &silent), BootJudgement::Unknown);
    }
}
