//! Files whose every operation a test may refuse, delay or count.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quorate_replica::disk::{File, Files, SystemFiles};

/// What is about to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Create,
    Remove,
    Write,
    Allocate,
    Sync,
    SyncDirectory,
}

type Hook = Arc<dyn Fn(Action, &Path) -> io::Result<()> + Send + Sync>;

/// Calls a hook before every operation that changes something.
pub(crate) struct HookedFiles {
    inner: Arc<dyn Files>,
    hook: Hook,
}

impl HookedFiles {
    pub(crate) fn new(
        hook: impl Fn(Action, &Path) -> io::Result<()> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::over(Arc::new(SystemFiles), hook)
    }

    pub(crate) fn over(
        inner: Arc<dyn Files>,
        hook: impl Fn(Action, &Path) -> io::Result<()> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let hook = Arc::new(hook);
        Arc::new(Self { inner, hook })
    }

    fn hook(&self, path: &Path, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(HookedFile {
            path: path.to_owned(),
            file,
            hook: self.hook.clone(),
        })
    }
}

impl Files for HookedFiles {
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(self.hook(path, self.inner.open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        (self.hook)(Action::Create, path)?;
        Ok(self.hook(path, self.inner.create(path)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        (self.hook)(Action::Remove, path)?;
        self.inner.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        (self.hook)(Action::Create, path)?;
        self.inner.create_directory(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        (self.hook)(Action::Remove, path)?;
        self.inner.remove_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.inner.list(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        (self.hook)(Action::SyncDirectory, path)?;
        self.inner.sync_directory(path)
    }
}

struct HookedFile {
    path: PathBuf,
    file: Box<dyn File>,
    hook: Hook,
}

impl File for HookedFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        (self.hook)(Action::Write, &self.path)?;
        self.file.write_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        (self.hook)(Action::Allocate, &self.path)?;
        self.file.allocate(length)
    }

    fn sync(&self) -> io::Result<()> {
        (self.hook)(Action::Sync, &self.path)?;
        self.file.sync()
    }
}
