//! The folder that is a replica's disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_register::{Entropy, ReplicaId};

use super::files::{Files, SystemFiles};
use super::identity::Identity;
use super::lock::DirectoryLock;
use super::store::DiskStore;
use super::{OpenError, Options, initialise, opening, retirement};

/// What lies in a data directory.
pub(super) mod names {
    pub(in crate::disk) const LOCK: &str = "lock";
    pub(in crate::disk) const INITIALISING: &str = "initialising";
    pub(in crate::disk) const IDENTITY: &str = "identity";
    pub(in crate::disk) const BOOTS: &str = "boots";
    pub(in crate::disk) const RETIRED: &str = "retired";
    pub(in crate::disk) const CONFIG: &str = "config";
    pub(in crate::disk) const CHECKPOINT: &str = "checkpoint";
    pub(in crate::disk) const WATERMARK: &str = "watermark";
    pub(in crate::disk) const LOG: &str = "log";
    pub(in crate::disk) const TABLE: &str = "table";

    /// What only a data directory has, files first.
    pub(in crate::disk) const FILES: [&str; 6] =
        [IDENTITY, BOOTS, CONFIG, CHECKPOINT, WATERMARK, RETIRED];
    /// The folders of a data directory.
    pub(in crate::disk) const FOLDERS: [&str; 2] = [LOG, TABLE];

    /// Whether something in a folder does not matter: the lock, and what file systems put
    /// into the root of a volume.
    pub(in crate::disk) fn is_neutral(name: &str) -> bool {
        [LOCK, "lost+found"].contains(&name)
    }

    /// Whether it is part of a data directory.
    pub(in crate::disk) fn is_ours(name: &str) -> bool {
        FILES.contains(&name) || FOLDERS.contains(&name) || name == INITIALISING
    }
}

/// A replica's disk, locked for this process: who it is, and its store.
pub struct DataDirectory {
    replica_id: ReplicaId,
    store: Arc<DiskStore>,
}

/// What a folder is, by the names in it.
enum Contents {
    /// Nothing of anybody.
    Empty,
    /// An initialisation that did not end; nothing was ever served from it.
    Incomplete,
    /// A replica's disk.
    Complete,
}

impl DataDirectory {
    /// Opens the data directory at `path`; initialises it, with a fresh identity, if the folder
    /// is missing or empty, if a crash ended an earlier initialisation, or if the disk in it
    /// was retired.
    ///
    /// # Errors
    /// See [`OpenError`]. A folder with anything else in it is never written to.
    pub fn open(
        path: impl AsRef<Path>,
        options: &Options,
        entropy: &dyn Entropy,
    ) -> Result<Self, OpenError> {
        Self::open_with(Arc::new(SystemFiles), path, options, entropy)
    }

    /// The same over other files than the operating system's, for tests.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with(
        files: Arc<dyn Files>,
        path: impl AsRef<Path>,
        options: &Options,
        entropy: &dyn Entropy,
    ) -> Result<Self, OpenError> {
        let path = path.as_ref();
        create_folder(path)?;
        // The process may go to another folder while the store is open.
        let path =
            &std::path::absolute(path).map_err(|error| OpenError::io("find", path, error))?;
        // Before the lock's file is put into a folder that is somebody else's.
        classify(&*files, path)?;
        let lock = DirectoryLock::take(path, names::LOCK)?;
        let serves_again = match classify(&*files, path)? {
            Contents::Complete => !is_retired(&*files, path)?,
            Contents::Empty | Contents::Incomplete => false,
        };
        if !serves_again {
            initialise::initialise(&*files, path, options, entropy)?;
        }
        let identity = Identity::read(&*files, &path.join(names::IDENTITY))?;
        let store = opening::open(files, path, options, identity, lock)?;
        Ok(Self {
            replica_id: identity.replica_id,
            store: Arc::new(store),
        })
    }

    /// Who this disk is since it was initialised.
    pub fn replica_id(&self) -> ReplicaId {
        self.replica_id
    }

    /// What lies on it.
    pub fn store(&self) -> &Arc<DiskStore> {
        &self.store
    }
}

/// Creates the folder and those above it, if they are missing; durable when it returns.
fn create_folder(path: &Path) -> Result<(), OpenError> {
    let missing: Vec<PathBuf> = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Path::to_owned)
        .collect();
    std::fs::create_dir_all(path).map_err(|error| OpenError::io("create", path, error))?;
    for folder in missing {
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        SystemFiles
            .sync_directory(parent)
            .map_err(|error| OpenError::io("sync", parent, error))?;
    }
    Ok(())
}

/// Whether the disk in a folder with an identity is at its end.
fn is_retired(files: &dyn Files, path: &Path) -> Result<bool, OpenError> {
    let identity = Identity::read(files, &path.join(names::IDENTITY))?;
    retirement::is_marked(files, path, identity.replica_id)
}

fn classify(files: &dyn Files, path: &Path) -> Result<Contents, OpenError> {
    let names = files
        .list(path)
        .map_err(|error| OpenError::io("list", path, error))?;
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    if has(names::IDENTITY) && !has(names::INITIALISING) {
        return Ok(Contents::Complete);
    }
    let mut others = names.iter().filter(|name| !names::is_neutral(name));
    if others.clone().next().is_none() {
        return Ok(Contents::Empty);
    }
    if let Some(foreign) = others.clone().find(|name| !names::is_ours(name)) {
        return Err(OpenError::NotQuorate {
            path: path.to_owned(),
            entry: foreign.clone(),
        });
    }
    if !has(names::INITIALISING) {
        // It must not get a new identity: it was acknowledged under the old one.
        let identity = path.join(names::IDENTITY);
        return Err(OpenError::lost(&identity, "the file is missing"));
    }
    let marker = path.join(names::INITIALISING);
    // A crash may have kept the marker's contents from the disk, but only before anything else
    // was created.
    let alone = others.all(|name| name == names::INITIALISING);
    if alone || initialise::is_marker(files, &marker)? {
        Ok(Contents::Incomplete)
    } else if has(names::IDENTITY) && is_retired(files, path)? {
        // The crash came when the wipe of a retired disk began.
        Ok(Contents::Incomplete)
    } else {
        Err(OpenError::lost(
            &marker,
            "it is not what this program writes",
        ))
    }
}
