//! What a replica that was told to end waits to hear.

/// Whether the place of a replica is wanted, as a coordinator knows it.
///
/// A replica that was told to end asks for it, since whoever ends it does not say why: its pod may
/// come back in a moment, or never. Nothing is safe because of an advice, which may be
/// wrong: a replica that leaves counts as one that crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// The place is wanted: leave, and come back.
    Wanted,
    /// The place is not wanted, and the active config lists the replica: serve on, since an
    /// operation may need it until the members were changed.
    Unwanted,
    /// The place is not wanted, and no group of the active config lists the replica: leave.
    Removed,
    /// Nobody knows whether the place is wanted, such as when all of them go: leave.
    Unknown,
}

impl Advice {
    /// Whether a replica that was told to end does so now.
    pub fn lets_leave(self) -> bool {
        self != Self::Unwanted
    }
}
