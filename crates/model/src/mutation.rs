//! The planted bugs, and what is to catch each.

use crate::invariant::{Invariant, Witness};
use crate::scenario::Scenario;

/// How a planted bug shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaughtBy {
    /// Safety: this invariant breaks.
    Breaks(Invariant),
    /// Liveness: this is not possible any more.
    Loses(Witness),
}

macro_rules! mutations {
    ($($(#[$doc:meta])* $name:ident = $text:literal, in $scenario:ident by $caught:expr;)*) => {
        /// A rule of the protocol that is broken on purpose.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutation { $($(#[$doc])* $name,)* }

        impl Mutation {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name in `docs/protocol.md`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Where it is hunted.
            pub fn scenario(self) -> Scenario {
                match self { $(Self::$name => Scenario::$scenario,)* }
            }

            /// What is to catch it.
            pub const fn caught_by(self) -> CaughtBy {
                use CaughtBy::{Breaks, Loses};
                match self { $(Self::$name => $caught,)* }
            }
        }
    };
}

mutations! {
    /// One pod that is ready is a majority of those that are.
    ReadyPods = "majority of ready pods instead of the config", in STATIC by Breaks(Invariant::Linearizable);
    /// A scan reads a replica whatever its config.
    NoSeal = "no seal in the scan", in ONE_TO_ONE by Breaks(Invariant::Linearizable);
    /// A crash takes an adopted config back.
    SealNotDurable = "seal not durable", in ONE_TO_ONE_CRASH by Breaks(Invariant::Linearizable);
    /// A write looks at the fence, and stores later.
    StoreNotAtomic = "fence check not atomic with the store", in ONE_TO_ONE by Breaks(Invariant::Linearizable);
    /// A read looks at the fence, and reads later.
    ReadNotAtomic = "fence check not atomic with a read", in ONE_TO_ONE_READS by Breaks(Invariant::Linearizable);
    /// A Set that tries again chooses a timestamp again.
    Repicked = "timestamp re-picked on retry", in STATIC_REPICK by Breaks(Invariant::Linearizable);
    /// Two Sets share an op id.
    TimestampShared = "one timestamp for two writes", in STATIC_TWO_SETS by Breaks(Invariant::OneValuePerTimestamp);
    /// One reporter is enough.
    FastPathOnOne = "fast path on one reply", in STATIC by Breaks(Invariant::Linearizable);
    /// A majority of the current group is enough for the fast path.
    FastPathCurrent = "fast path on current only", in ONE_TO_ONE by Breaks(Invariant::Linearizable);
    /// A majority of the next group is enough for the fast path.
    FastPathNext = "fast path on next only", in ONE_TO_ONE_ABORT by Breaks(Invariant::Linearizable);
    /// A Get returns what it found, wherever that is.
    NoWriteBack = "no write-back", in STATIC by Breaks(Invariant::Linearizable);
    /// A write-back ends with a majority of the current group.
    WriteBackCurrent = "write-back not to all groups", in ONE_TO_ONE by Breaks(Invariant::Linearizable);
    /// An old copy of a disk serves.
    AmnesiacCounted = "amnesiac replica counted", in STATIC_LOSS by Breaks(Invariant::Linearizable);
    /// An empty disk serves in the place of what was wiped.
    WipeKeepsId = "wipe keeping the id", in STATIC_LOSS by Breaks(Invariant::Linearizable);
    /// What is queued is acknowledged.
    AckBeforePersist = "ack before persist", in STATIC_CRASH by Breaks(Invariant::Linearizable);
    /// A write that lost against a queued one is acknowledged.
    AckBeaten = "ack of a beaten write before the winner is synced", in STATIC_CRASH_TWO_SETS by Breaks(Invariant::Linearizable);
    /// What is queued is read.
    ReadUnsynced = "reads of unsynced pairs", in STATIC_CRASH by Breaks(Invariant::Linearizable);
    /// A change is finished when nobody has the data.
    FinishAfterNone = "finish after 0 transfer acks", in ONE_TO_ONE by Breaks(Invariant::Linearizable);
    /// A change is finished when one has the data.
    FinishAfterOne = "finish after 1 transfer ack", in SWAP by Breaks(Invariant::Linearizable);
    /// One scan is enough.
    ScanOne = "scan of one member", in SWAP by Breaks(Invariant::Linearizable);
    /// Under a joint config, writes need the current group only.
    JointWritesCurrent = "joint writes to current only", in ONE_TO_ONE by Breaks(Invariant::Linearizable);
    /// Under a joint config, writes need the next group only.
    JointWritesNext = "joint writes to next only", in ONE_TO_ONE_ABORT by Breaks(Invariant::Linearizable);
    /// Under a joint config, Gets ask and believe the current group only.
    JointReadsCurrent = "joint reads of current only", in ONE_TO_ONE by Breaks(Invariant::Linearizable);
    /// Under a joint config, Gets ask and believe the next group only.
    JointReadsNext = "joint reads of next only", in ONE_TO_ONE by Breaks(Invariant::Linearizable);
    /// A majority of all members of both groups is a quorum.
    UnionMajority = "union majority", in ONE_TO_THREE by Breaks(Invariant::Linearizable);
    /// A replica serves requests of older epochs.
    StaleNotFenced = "stale coordinators not fenced", in ONE_TO_ONE by Breaks(Invariant::Linearizable);
    /// A driver swaps whatever version there is by now.
    FreshVersion = "finish with a fresh resourceVersion", in ONE_TO_ONE_TWICE by Breaks(Invariant::Linearizable);
    /// A second answer of one replica counts as another's.
    DuplicatesCounted = "duplicate acks counted", in STATIC by Breaks(Invariant::Linearizable);
    /// Answers of a round count in the next.
    RoundsMixed = "replies of two rounds mixed", in STATIC by Breaks(Invariant::Linearizable);
    /// A write that nobody waits for is sent again under a newer config.
    BackgroundFollows = "background writes that follow a new config", in ONE_TO_ONE by Breaks(Invariant::BackgroundKeepsItsConfig);
    /// Replicas know configs by their epoch only.
    NoLineage = "rollback without lineage", in ONE_TO_ONE_ROLLBACK by Breaks(Invariant::Linearizable);
    /// A config counts as soon as it is in the object.
    NoActivation = "lineage without activation", in ONE_TO_ONE_ROLLBACK by Breaks(Invariant::Linearizable);
    /// The group that is to come decides that it does.
    ActivatedByNext = "activation by the parent's next group alone", in ONE_TO_ONE_ROLLBACK by Breaks(Invariant::Linearizable);
    /// The object is enough to tell a replica to go.
    RetireInactive = "retire on an inactive config", in ONE_TO_ONE by Breaks(Invariant::OnlyOutsidersRetire);
    /// A write that is not larger gets no acknowledgement.
    LateRefused = "late write refused (liveness)", in STATIC_TWO_SETS by Loses(Witness::OvertakenSetDone);
    /// A change is given up only when a majority of the next group agrees.
    AbortNeedsNext = "abort needing C2 (liveness)", in ONE_TO_ONE_ABORT by Loses(Witness::AbortedWithoutNext);
}
