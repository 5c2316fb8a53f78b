//! A data directory as the disk that a replica is opened on, again and again.

use std::path::PathBuf;
use std::sync::Arc;

use futures::executor::block_on;
use quorate_register::{Entropy, ReplicaId};

use crate::disk::{DataDirectory, DiskStore, Files, Options, SystemFiles};
use crate::{Disk, ReplicaOptions, RunError, begin_boot};

/// A data directory as a replica's disk.
pub struct DirectoryDisk {
    /// The folder.
    pub path: PathBuf,
    /// How much memory and disk its store may take.
    pub store: Options,
    /// The options of the replica on it; who it is and whether it is admitted is read from
    /// the folder.
    pub replica: ReplicaOptions,
    /// Whether it serves only once a coordinator admitted its boot.
    pub require_admission: bool,
    /// Where its randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// The file system.
    pub files: Arc<dyn Files>,
}

impl DirectoryDisk {
    /// The data directory at `path`, for the replica in `pod`, with the defaults of both; it
    /// needs no admission.
    pub fn new(
        path: impl Into<PathBuf>,
        pod: impl Into<String>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            path: path.into(),
            store: Options::default(),
            // The disk says who it is when it is opened.
            replica: ReplicaOptions::new(ReplicaId::random(&*entropy), pod),
            require_admission: false,
            entropy,
            files: Arc::new(SystemFiles),
        }
    }
}

impl Disk for DirectoryDisk {
    type Store = Arc<DiskStore>;

    fn open(&self) -> Result<(Self::Store, ReplicaOptions), RunError> {
        let entropy = &*self.entropy;
        let files = self.files.clone();
        let directory = DataDirectory::open_with(files, &self.path, &self.store, entropy)?;
        let store = directory.store().clone();
        let instance = self.replica.instance.as_ref();
        let begin = begin_boot(&store, self.require_admission, instance, entropy);
        let options = ReplicaOptions {
            replica_id: directory.replica_id(),
            admitted: block_on(begin)?,
            ..self.replica.clone()
        };
        let (replica_id, pod) = (options.replica_id, &options.pod);
        if !options.admitted {
            tracing::info!(pod, %replica_id, "waits until a coordinator admits it");
        }
        Ok((store, options))
    }

    fn release(&self, store: &Self::Store) {
        store.release();
    }
}
