//! How the config that is stored relates to the one that is operated under. Pure.

use quorate_register::Config;

/// What to do about the stored config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// It is the one operated under.
    Same,
    /// It is newer: make it active, and follow.
    Newer,
    /// It is an ancestor: somebody put an old content back.
    RolledBack,
    /// Neither descends from the other.
    Forked,
}

impl Relation {
    /// That of the `stored` config to an `active` one.
    pub(super) fn of(stored: &Config, active: &Config) -> Self {
        let recovered = stored.epoch().recovery > active.epoch().recovery;
        match () {
            () if stored.cluster_id() != active.cluster_id() => Self::Forked,
            () if stored.id() == active.id() => Self::Same,
            () if recovered || stored.is_or_descends_from(active.id()) => Self::Newer,
            () if active.is_or_descends_from(stored.id()) => Self::RolledBack,
            () => Self::Forked,
        }
    }
}
