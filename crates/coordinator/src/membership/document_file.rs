//! A document in a file that changes by compare-and-swap.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::document::InvalidDocument;
use super::{ConfigStoreError, StoreVersion, SwapOutcome};

/// What lies in such a file.
pub(super) trait Document: Sized + Send + 'static {
    /// Counts the changes of the document.
    fn sequence(&self) -> u64;

    /// The document as bytes.
    fn to_json(&self) -> Vec<u8>;

    /// Reads a document.
    fn parse(bytes: &[u8]) -> Result<Self, InvalidDocument>;
}

/// A JSON file that is replaced as a whole: written beside, synced, renamed. A lock file beside
/// it makes the comparison and the swap one step among all processes on this machine.
#[derive(Debug, Clone)]
pub(super) struct DocumentFile {
    path: PathBuf,
}

impl DocumentFile {
    /// The file at `path`, which need not exist yet; its folder must.
    pub(super) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The document and its version; `None` when there is no file.
    pub(super) async fn read<D: Document>(
        &self,
    ) -> Result<Option<(D, StoreVersion)>, ConfigStoreError> {
        self.locked(read_document).await
    }

    /// Creates the file, with a document that counts its first change.
    pub(super) async fn create<D: Document>(
        &self,
        document: D,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        self.locked(move |path| match read_document::<D>(path)? {
            Some(_) => Ok(SwapOutcome::Conflict),
            None => replace(path, &document),
        })
        .await
    }

    /// Replaces the document of the version `expected`. The next one is told its sequence.
    pub(super) async fn swap<D: Document>(
        &self,
        expected: &StoreVersion,
        next: impl FnOnce(u64) -> D + Send + 'static,
    ) -> Result<SwapOutcome, ConfigStoreError> {
        let expected = expected.clone();
        self.locked(move |path| match read_document::<D>(path)? {
            Some((found, version)) if version == expected => {
                replace(path, &next(found.sequence() + 1))
            }
            _ => Ok(SwapOutcome::Conflict),
        })
        .await
    }

    /// The error of a document whose contents are invalid.
    pub(super) fn invalid(&self, error: &InvalidDocument) -> ConfigStoreError {
        ConfigStoreError {
            problem: format!("{}: {error}", self.path.display()),
        }
    }

    /// Runs `work` on a thread that may block, holding the lock file.
    async fn locked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, ConfigStoreError> + Send + 'static,
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
            work(&path)
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

/// The sequence and the content tell one swap from the next; the file itself, which every swap
/// makes anew, tells them from those of a file that was deleted and made again.
fn version<D: Document>(document: &D, file: &File) -> io::Result<StoreVersion> {
    let hash = crc32c::crc32c(&document.to_json());
    let file = file.metadata()?;
    let (inode, seconds, nanoseconds) = (file.ino(), file.mtime(), file.mtime_nsec());
    let sequence = document.sequence();
    Ok(StoreVersion(format!(
        "{sequence}-{hash:08x}-{inode:x}-{seconds:x}.{nanoseconds:x}"
    )))
}

fn read_document<D: Document>(path: &Path) -> Result<Option<(D, StoreVersion)>, ConfigStoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem("open", path, error)),
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)
        .map_err(|error| problem("read", path, error))?;
    let document = D::parse(&bytes).map_err(|error| ConfigStoreError {
        problem: format!("{}: {error}", path.display()),
    })?;
    let version = version(&document, &file).map_err(|error| problem("read", path, error))?;
    Ok(Some((document, version)))
}

fn replace<D: Document>(path: &Path, document: &D) -> Result<SwapOutcome, ConfigStoreError> {
    let replaced = replace_file(path, &document.to_json());
    let version = replaced.and_then(|file| version(document, &file));
    let version = version.map_err(|error| problem("replace", path, error))?;
    Ok(SwapOutcome::Swapped(version))
}

/// Replaces a file as a whole, durably: a crash leaves the old content or the new one.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> io::Result<File> {
    let new_path = beside(path, "new");
    let mut file = File::create(&new_path)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new_path, path)?;
    // The rename survives a crash only once the folder is synced.
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(file)
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
