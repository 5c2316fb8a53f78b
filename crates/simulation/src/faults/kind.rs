//! The kinds of faults.

/// Something that happens to machines or connections, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// A replica's process dies and loses what is not synced; it starts again later.
    CrashReplica,
    /// All replicas' processes die at once, as in a power failure.
    CrashAllReplicas,
    /// A replica's process stands still.
    PauseReplica,
    /// A replica's next sync fails, and its process ends.
    FailSync,
    /// A replica's disk is full.
    FillDisk,
    /// A replica's disk is lost; it comes back empty, under a new id. Never more than a
    /// minority in one run.
    WipeDisk,
    /// A replica's disk goes back to an old copy of itself. With the disks that are wiped never
    /// more than a minority in one run, and only where boots are counted.
    RestoreDisk,
    /// A coordinator's process dies in the midst of its operations.
    CrashCoordinator,
    /// A coordinator shuts down: its operations end, answered.
    StopCoordinator,
    /// A coordinator's process stands still.
    PauseCoordinator,
    /// Requests, or answers, between one coordinator and one replica are lost.
    CutOneWay,
    /// A coordinator and a replica cannot reach each other.
    CutLink,
    /// No coordinator reaches one replica.
    IsolateReplica,
    /// One coordinator reaches only some replicas.
    Partition,
    /// Another number of members is wanted.
    ChangeSize,
    /// The config object goes back to an older content.
    RollBackConfig,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: &[Self] = &[
        Self::CrashReplica,
        Self::CrashAllReplicas,
        Self::PauseReplica,
        Self::FailSync,
        Self::FillDisk,
        Self::WipeDisk,
        Self::CrashCoordinator,
        Self::StopCoordinator,
        Self::PauseCoordinator,
        Self::CutOneWay,
        Self::CutLink,
        Self::IsolateReplica,
        Self::Partition,
        Self::ChangeSize,
        Self::RollBackConfig,
        Self::RestoreDisk,
    ];

    /// Whether a disk forgets what it had.
    pub const fn loses_disk(self) -> bool {
        matches!(self, Self::WipeDisk | Self::RestoreDisk)
    }

    /// What each fault of this kind is counted as.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CrashReplica => "fault: crash a replica",
            Self::CrashAllReplicas => "fault: crash all replicas",
            Self::PauseReplica => "fault: pause a replica",
            Self::FailSync => "fault: fail a sync",
            Self::FillDisk => "fault: fill a disk",
            Self::WipeDisk => "fault: wipe a disk",
            Self::RestoreDisk => "fault: restore an old disk",
            Self::CrashCoordinator => "fault: crash a coordinator",
            Self::StopCoordinator => "fault: stop a coordinator",
            Self::PauseCoordinator => "fault: pause a coordinator",
            Self::CutOneWay => "fault: cut one way",
            Self::CutLink => "fault: cut a link",
            Self::IsolateReplica => "fault: isolate a replica",
            Self::Partition => "fault: partition",
            Self::ChangeSize => "fault: change the size",
            Self::RollBackConfig => "fault: roll back the config",
        }
    }
}
