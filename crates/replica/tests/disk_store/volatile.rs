//! Files that a simulated power loss takes back to what was synced, or tears.
//!
//! The real files hold what the page cache would. Beside each lies, in memory, what a disk would
//! hold: the contents at the last sync, and the names at the last sync of their folder. After
//! [`VolatileFiles::crash`] nothing works any more; [`VolatileFiles::lose`] then rewrites the
//! real files to what a disk could hold, sector by sector the old or the new contents.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use quorate_replica::disk::{File, Files, SystemFiles};

const SECTOR: usize = 512;

/// The layer; clones share it.
#[derive(Clone, Default)]
pub(crate) struct VolatileFiles(Arc<Mutex<Disk>>);

#[derive(Default)]
struct Disk {
    crashed: bool,
    /// How many more operations work.
    left: Option<u64>,
    /// What is durable of each file that is not as the real one.
    contents: BTreeMap<PathBuf, Vec<u8>>,
    /// Files created and removed since their folder was synced.
    created: Vec<PathBuf>,
    removed: BTreeMap<PathBuf, Vec<u8>>,
}

impl Disk {
    fn operation(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.left {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => self.crashed = true,
            }
        }
        if self.crashed {
            return Err(io::Error::other("the machine is off"));
        }
        Ok(())
    }
}

impl VolatileFiles {
    /// The power goes after so many more operations.
    pub(crate) fn crash_after(&self, operations: u64) {
        self.0.lock().left = Some(operations);
    }

    /// The power goes now.
    pub(crate) fn crash(&self) {
        self.0.lock().crashed = true;
    }

    /// Leaves on the real disk what might be there after the crash. `newer` says for each
    /// unsynced sector or name whether it reached the disk.
    pub(crate) fn lose(&self, mut newer: impl FnMut() -> bool) {
        let mut disk = self.0.lock();
        assert!(disk.crashed);
        for (path, durable) in std::mem::take(&mut disk.contents) {
            let Ok(current) = fs::read(&path) else {
                continue;
            };
            let length = if newer() {
                current.len()
            } else {
                durable.len()
            };
            let mut mixed = vec![0; length];
            for (index, sector) in mixed.chunks_mut(SECTOR).enumerate() {
                let source = if newer() { &current } else { &durable };
                let at = (index * SECTOR).min(source.len());
                let end = (at + sector.len()).min(source.len());
                sector[..end - at].copy_from_slice(&source[at..end]);
            }
            fs::write(&path, mixed).unwrap();
        }
        for path in std::mem::take(&mut disk.created) {
            if path.is_file() && !newer() {
                fs::remove_file(&path).unwrap();
            }
        }
        for (path, contents) in std::mem::take(&mut disk.removed) {
            if !newer() {
                fs::write(&path, contents).unwrap();
            }
        }
    }
}

impl Files for VolatileFiles {
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let inner = SystemFiles.open(path)?;
        let disk = self.0.clone();
        let path = path.to_owned();
        Ok(Box::new(VolatileFile { disk, path, inner }))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut disk = self.0.lock();
        disk.operation()?;
        SystemFiles.create(path)?;
        disk.created.push(path.to_owned());
        disk.contents.insert(path.to_owned(), Vec::new());
        drop(disk);
        self.open(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operation()?;
        let current = fs::read(path)?;
        let durable = disk.contents.remove(path).unwrap_or(current);
        SystemFiles.remove(path)?;
        if let Some(index) = disk.created.iter().position(|created| created == path) {
            disk.created.remove(index);
        } else {
            disk.removed.insert(path.to_owned(), durable);
        }
        Ok(())
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.0.lock().operation()?;
        SystemFiles.create_directory(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operation()?;
        disk.contents.retain(|file, _| !file.starts_with(path));
        disk.created.retain(|file| !file.starts_with(path));
        disk.removed.retain(|file, _| !file.starts_with(path));
        SystemFiles.remove_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        SystemFiles.list(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.0.lock();
        disk.operation()?;
        disk.created.retain(|file| file.parent() != Some(path));
        disk.removed.retain(|file, _| file.parent() != Some(path));
        Ok(())
    }
}

struct VolatileFile {
    disk: Arc<Mutex<Disk>>,
    path: PathBuf,
    inner: Box<dyn File>,
}

impl VolatileFile {
    /// The change that the power interrupts may reach the disk, or some of its sectors.
    fn change(&self, change: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.crashed {
            return disk.operation();
        }
        let working = disk.operation();
        if !disk.contents.contains_key(&self.path) {
            let durable = fs::read(&self.path)?;
            disk.contents.insert(self.path.clone(), durable);
        }
        change()?;
        working
    }
}

impl File for VolatileFile {
    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.change(|| self.inner.write_at(bytes, offset))
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.change(|| self.inner.allocate(length))
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.operation()?;
        disk.contents.remove(&self.path);
        Ok(())
    }
}
