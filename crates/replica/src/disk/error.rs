//! Why a data directory was not opened, each in one line that names the path.

use std::io;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Why a data directory was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store of this one, holds the directory's lock.
    #[error("{} is in use by {}", path.display(), holder(*process))]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// Who holds it, as far as it says.
        process: Option<u32>,
    },
    /// A program of another version wrote it.
    #[error(
        "{} has data format {found}; this program reads format {supported} only: use the program of the other format",
        path.display()
    )]
    OtherVersion {
        /// The data directory.
        path: PathBuf,
        /// The format on the disk.
        found: u32,
        /// The format this program reads.
        supported: u32,
    },
    /// The folder has other contents than a replica's.
    #[error(
        "{} is not a Quorate data directory: it contains {entry:?}; give an empty folder",
        path.display()
    )]
    NotQuorate {
        /// The folder.
        path: PathBuf,
        /// Something in it that is not Quorate's.
        entry: String,
    },
    /// What lies there is not what was written. The disk counts as lost (PROTOCOL 2, rule 7):
    /// nothing in it may be served, and it is never initialised anew by itself.
    #[error("{} is damaged: {problem}; this replica's disk counts as lost", path.display())]
    LostDisk {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The table could not be written to.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn lost(path: &Path, problem: impl Into<String>) -> Self {
        Self::LostDisk {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    /// The error of reading a file that a complete directory has: a missing or shortened one
    /// is damage, anything else the operating system's.
    pub(super) fn reading(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::lost(path, "the file is missing"),
            io::ErrorKind::UnexpectedEof => Self::lost(path, "the file is too short"),
            _ => Self::io("read", path, source),
        }
    }
}

/// The fatal error of a write or sync.
pub(super) fn failed(action: &str, path: &Path, error: &io::Error) -> StoreError {
    StoreError::Failed {
        problem: format!("cannot {action} {}: {error}", path.display()),
    }
}

/// Why something in the background was not written.
#[derive(Debug)]
pub(super) struct BackgroundError {
    /// For whoever has to be told.
    pub(super) error: StoreError,
    /// Nothing but space is missing: what was written before is as it was.
    pub(super) disk_full: bool,
}

impl BackgroundError {
    pub(super) fn new(action: &str, path: &Path, error: &io::Error) -> Self {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        Self {
            error: failed(action, path, error),
            disk_full: full.contains(&error.kind()),
        }
    }
}

impl From<StoreError> for BackgroundError {
    fn from(error: StoreError) -> Self {
        Self {
            error,
            disk_full: false,
        }
    }
}

fn holder(process: Option<u32>) -> String {
    match process {
        Some(id) => format!("process {id}"),
        None => "another process".to_owned(),
    }
}
