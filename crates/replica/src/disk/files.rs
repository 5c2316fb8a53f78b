//! The operating system's files, behind a trait so that tests can let them fail.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::{Errno, retry_on_intr};

/// The file system, as far as a store uses it for everything but the table's own files.
///
/// Tests put a layer between that fails the Nth call, or takes back at a simulated crash
/// whatever was not synced.
pub trait Files: Send + Sync + 'static {
    /// Opens a file that exists, for reading and writing.
    ///
    /// # Errors
    /// Those of the operating system.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Creates a file that does not exist. Its name is durable after
    /// [`sync_directory`](Self::sync_directory).
    ///
    /// # Errors
    /// Those of the operating system.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Removes a file.
    ///
    /// # Errors
    /// Those of the operating system.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Creates a folder that does not exist.
    ///
    /// # Errors
    /// Those of the operating system.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with all it contains.
    ///
    /// # Errors
    /// Those of the operating system.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// The names of the files and folders in a folder, sorted.
    ///
    /// # Errors
    /// Those of the operating system, and a name that is not UTF-8.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// Those of the operating system.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// An open file.
pub trait File: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// Those of the operating system.
    fn length(&self) -> io::Result<u64>;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// Those of the operating system; `UnexpectedEof` when the file ends before.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all `bytes` from `offset` on; the file grows as needed. Durable after
    /// [`sync`](Self::sync).
    ///
    /// # Errors
    /// Those of the operating system; some of the bytes may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes an empty file so many zeros long and sets their place on the disk aside, without
    /// writing them where the file system can: then the first [`sync`](Self::sync) of each part
    /// also records that it was written. Durable after the next sync.
    ///
    /// # Errors
    /// Those of the operating system.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Makes the contents and the length durable.
    ///
    /// # Errors
    /// Those of the operating system, after which the contents are unknown.
    fn sync(&self) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemFiles;

impl Files for SystemFiles {
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = fs::File::options().read(true).write(true).open(path)?;
        Ok(Box::new(file))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        Ok(Box::new(file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let name = |entry: io::Result<fs::DirEntry>| {
            let name = entry?.file_name();
            name.into_string().map_err(|name| {
                let problem = format!("the name {name:?} is not UTF-8");
                io::Error::new(io::ErrorKind::InvalidData, problem)
            })
        };
        let mut names: Vec<_> = fs::read_dir(path)?.map(name).collect::<io::Result<_>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }
}

impl File for fs::File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let allocate = || rustix::fs::fallocate(self, FallocateFlags::empty(), 0, length);
        match retry_on_intr(allocate) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(self, 0, length),
            allocated => Ok(allocated?),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// The whole contents of a file.
pub(super) fn read_all(file: &dyn File) -> io::Result<Vec<u8>> {
    let length = file.length()?;
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Writes zeros over `length` bytes from `offset` on, in pieces of bounded size.
pub(super) fn write_zeros(file: &dyn File, offset: u64, length: u64) -> io::Result<()> {
    const PIECE: u64 = 256 << 10;
    let zeros = vec![0; length.min(PIECE) as usize];
    let mut written = 0;
    while written < length {
        let piece = (length - written).min(PIECE);
        file.write_at(&zeros[..piece as usize], offset + written)?;
        written += piece;
    }
    Ok(())
}
