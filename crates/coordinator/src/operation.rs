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

tokio::task_local! {
    static IS_CANARY: ();
}

/// Performs operations as those of a canary, which people must be able to tell from clients'.
pub(crate) fn as_canary<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    IS_CANARY.scope((), work)
}

/// Whether the operation that this task performs is a canary's.
pub(crate) fn is_canary() -> bool {
    IS_CANARY.try_with(|()| ()).is_ok()
}
