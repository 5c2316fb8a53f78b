//! Bugs planted on purpose, one at a time, for the tests that must catch them.
//!
//! A checker is trusted only after it caught what it is there for. Each [`Mutation`] breaks
//! one rule of `docs/protocol.md` at the place in the code that keeps it. Without the
//! feature `mutations` [`active`] is a constant `false` and leaves no trace in a program;
//! with the feature, a build without debug assertions is refused.

#[cfg(all(feature = "mutations", not(debug_assertions)))]
compile_error!("the feature `mutations` plants bugs: it is for tests, never for a release build");

macro_rules! mutations {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A rule that is broken on purpose.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutation { $($(#[$doc])* $name,)* }

        impl Mutation {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in `docs/protocol.md`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

mutations! {
    /// A quorum is a majority of the members that can be reached.
    ReadyPodsCounted = "majority of ready pods instead of the config",
    /// A retried phase two chooses a new timestamp.
    TimestampRepicked = "timestamp re-picked on retry",
    /// Two writes of one coordinator share an op id.
    TimestampShared = "one timestamp for two writes",
    /// A get takes the fast path when any one replica reports the largest timestamp.
    FastPathOnOneReply = "fast path on one reply",
    /// A get takes the fast path when the current group alone has the pair.
    FastPathOnCurrentOnly = "fast path on current only",
    /// A get takes the fast path when the next group alone has the pair.
    FastPathOnNextOnly = "fast path on next only",
    /// While two groups decide, a majority of all members together counts.
    UnionMajority = "union majority",
    /// While two groups decide, a write waits for the current one only.
    JointWritesToCurrentOnly = "joint writes to current only",
    /// While two groups decide, a write waits for the next one only.
    JointWritesToNextOnly = "joint writes to next only",
    /// While two groups decide, a read asks and believes the next one only.
    JointReadsOfNextOnly = "joint reads of next only",
    /// While two groups decide, a read asks and believes the current one only.
    JointReadsOfCurrentOnly = "joint reads of current only",
    /// A get writes back to the current group only.
    WriteBackToCurrentOnly = "write-back not to all groups",
    /// A replica serves requests of older configs than its own.
    StaleNotFenced = "stale coordinators not fenced",
    /// The fence of a write is checked some time before it is stored.
    FenceNotAtomicWithStore = "fence check not atomic with the store",
    /// The fence of a read is checked some time before its pair is read.
    FenceNotAtomicWithRead = "fence check not atomic with a read",
    /// A replica serves under a joint config that is not on its disk.
    SealNotDurable = "seal not durable",
    /// A coordinator takes every config for active.
    LineageWithoutActivation = "lineage without activation",
    /// The config that ends a change is activated by the group that joins.
    ActivatedByNextGroup = "activation by the parent's next group alone",
    /// An old copy of a disk is admitted.
    AmnesiacCounted = "amnesiac replica counted",
    /// Disks are retired under a config that is not active yet.
    RetiredOnInactive = "retire on an inactive config",
    /// A get never writes back.
    NoWriteBack = "no write-back",
    /// A write is acknowledged before the store is synced.
    AckBeforePersist = "ack before persist",
    /// A write that lost against a queued one is acknowledged before that one is synced.
    AckBeatenBeforeSync = "ack of a beaten write before the winner is synced",
    /// A read returns what the store shows, synced or not.
    ReadUnsynced = "reads of unsynced pairs",
    /// A replica answers timestamps from its cache although newer pairs are visible already.
    StaleStamps = "timestamps cached behind visible pairs",
    /// A replica whose disk was wiped keeps its id, and is counted.
    WipeKeepsId = "wipe keeping the id",
    /// A second answer of one replica counts again.
    DuplicateAcksCounted = "duplicate acks counted",
    /// Answers of phase one count for phase two.
    RoundsMixed = "replies of two rounds mixed",
    /// A write whose stream broke counts as acknowledged.
    LostBatchAcknowledged = "a lost batch acknowledged",
    /// A transfer reads one member of the current group.
    ScanOfOneMember = "scan of one member",
    /// A transfer reads members that still serve the epoch before.
    ScanNotSealed = "no seal in the scan",
    /// A change is finished before the next group has what was transferred.
    TransferNotAwaited = "finish after 0 or 1 transfer acks",
    /// A swap names whatever version there is by now.
    FinishWithFreshVersion = "finish with a fresh resourceVersion",
    /// An answer reaches whichever call is in its place now.
    AnswersMismatched = "an answer matched to the wrong call",
    /// A replica serves under a config before it recorded that the config is active (liveness).
    ActiveNotRecorded = "served before recorded as active (liveness)",
    /// A write with a timestamp that is not larger is refused (liveness).
    LateWriteRefused = "late write refused (liveness)",
}

#[cfg(feature = "mutations")]
mod planted {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        static PLANTED: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Plants a mutation in everything that runs on this thread, or removes it.
    pub fn plant(mutation: Option<Mutation>) {
        PLANTED.set(mutation);
    }

    /// Whether the mutation is planted on this thread.
    pub fn active(mutation: Mutation) -> bool {
        PLANTED.get() == Some(mutation)
    }
}

#[cfg(feature = "mutations")]
pub use planted::{active, plant};

/// Whether the mutation is planted: never, in this build.
#[cfg(not(feature = "mutations"))]
#[inline(always)]
pub const fn active(_mutation: Mutation) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_explained_where_the_rules_are() {
        let rules = include_str!("../../../docs/protocol.md");
        for mutation in Mutation::ALL {
            assert!(rules.contains(mutation.name()), "{}", mutation.name());
        }
    }
}
