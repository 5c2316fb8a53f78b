//! The config store in a file, for stores outside Kubernetes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use quorate_register::Config;
use rustix::fs::{FlockOperation, flock};

use super::document::ConfigDocument;
use super::{ConfigStore, ConfigStoreError, StoreVersion, StoredConfig, SwapOutcome};

/// A JSON file that is replaced as a whole: written beside, synced, renamed. A lock file beside
/// it makes the comparison and the swap one step among all processes on this machine.
#[derive(Debug, Clone)]
pub struct FileConfigStore {
    path: PathBuf,
}

impl FileConfigStore {
    /// The store in the file at `path`, which need not exist yet; its folder must.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Runs `swap` on a thread that may block, holding the lock file.
    async fn locked<T: Send + 'static>(
        &self,
        swap: impl FnOnce(&Path) -> Result<T, ConfigStoreError> + Send + 'static,
    ) -> Result<T, ConfigStoreError> {
        let path = self.path.clone();
        let work = move || {
            let lock_path = beside(&path, "lock");
            let lock = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&lock_path)
                .map_err(|error| problem("open", &lock_path, error))?;
            flock(&lock, FlockOperation::LockExclusive)
                .map_err(|error| problem("lock", &lock_path, error.into()))?;
            swap(&path)
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| {
                Err(ConfigStoreError {
                    problem: format!("the config store's thread ended: {error}"),
                })
            })
    }
}

#[async_trait]
impl ConfigStore for FileConfigStore {
    async fn read(&self) -> Result<Option<StoredConfig>, ConfigStoreError> {
        let Some((document, version)) = self.locked(read_document).await? else {
            return Ok(None);
        };
        let config = document.config().map_err(|error| ConfigStoreError {
            problem: format!("{}: {error}", self.path.display()),
        })?;
        Ok(Some(StoredConfig {
            config: Arc::new(config),
            active: document.active,
            version,
        }))
    }

    async fn create(&self, config: &Config) -> Result<SwapOutcome, ConfigStoreError> {
        let document = ConfigDocument::new(config, false, 1);
        self.locked(move |path| match read_document(path)? {
            Some(_) => Ok(SwapOutcome::Conflict),
            None => replace(path, &document),
        })
        .await
    }

    async fn swap(
        &self,
        expected: &StoreVersion,
        config: &Config,
        active: bool,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        let expected = expected.clone();
        let config = config.clone();
        self.locked(move |path| match read_document(path)? {
            Some((found, version)) if version == expected => {
                let next = ConfigDocument::new(&config, active, found.sequence + 1);
                replace(path, &next)
            }
            _ => Ok(SwapOutcome::Conflict),
        })
        .await
    }
}

/// The sequence and the content tell one swap from the next; the file itself, which every swap
/// makes anew, tells them from those of a file that was deleted and made again.
fn version(document: &ConfigDocument, file: &File) -> io::Result<StoreVersion> {
    let hash = crc32c::crc32c(&document.to_json());
    let file = file.metadata()?;
    let (inode, seconds, nanoseconds) = (file.ino(), file.mtime(), file.mtime_nsec());
    let sequence = document.sequence;
    Ok(StoreVersion(format!(
        "{sequence}-{hash:08x}-{inode:x}-{seconds:x}.{nanoseconds:x}"
    )))
}

fn read_document(path: &Path) -> Result<Option<(ConfigDocument, StoreVersion)>, ConfigStoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem("open", path, error)),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| problem("read", path, error))?;
    let document = ConfigDocument::parse(&bytes).map_err(|error| ConfigStoreError {
        problem: format!("{}: {error}", path.display()),
    })?;
    let version = version(&document, &file).map_err(|error| problem("read", path, error))?;
    Ok(Some((document, version)))
}

fn replace(path: &Path, document: &ConfigDocument) -> Result<SwapOutcome, ConfigStoreError> {
    let new_path = beside(path, "new");
    let write = || {
        let mut file = File::create(&new_path)?;
        file.write_all(&document.to_json())?;
        file.sync_all()?;
        fs::rename(&new_path, path)?;
        // The rename survives a crash only once the folder is synced.
        let folder = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        version(document, &file)
    };
    let version = write().map_err(|error| problem("replace", path, error))?;
    Ok(SwapOutcome::Swapped(version))
}

/// The path with an extension added: `config.json` has `config.json.lock` beside it.
pub(super) fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

fn problem(action: &str, path: &Path, error: io::Error) -> ConfigStoreError {
    ConfigStoreError {
        problem: format!("cannot {action} {}: {error}", path.display()),
    }
}
