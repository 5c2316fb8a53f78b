//! One process at a time.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use super::OpenError;

/// The lock of a data directory, held until dropped. The operating system frees it when the
/// process ends, however it ends; the file itself means nothing.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    file: fs::File,
}

impl DirectoryLock {
    /// Takes the lock of `directory`, or says who has it.
    pub(super) fn take(directory: &Path, name: &str) -> Result<Self, OpenError> {
        let path = directory.join(name);
        let mut file = fs::File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| OpenError::io("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    path: directory.to_owned(),
                    process: process_named_in(&mut file),
                });
            }
            Err(fs::TryLockError::Error(error)) => {
                return Err(OpenError::io("lock", &path, error));
            }
        }
        // The id is a courtesy to people: a full disk must not keep a replica from starting.
        let named = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = named {
            tracing::debug!(path = %path.display(), %error, "the lock file does not name this process");
        }
        Ok(Self { file })
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing the file would do, but for a child that this process is about to start: until
        // it runs its own program it has a copy of the open file, and with it the lock.
        let _ = self.file.unlock();
    }
}

fn process_named_in(file: &mut fs::File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
