//! What clients ask for.

/// The three operations of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Set,
    Delete,
}

impl Operation {
    pub(crate) const ALL: [Self; 3] = [Self::Get, Self::Set, Self::Delete];

    /// Its name in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Delete => "delete",
        }
    }

    /// Whether it may have an effect.
    pub(crate) fn writes(self) -> bool {
        self != Self::Get
    }
}
