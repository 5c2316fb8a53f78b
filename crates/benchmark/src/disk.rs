//! The disk that both systems write to.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The sectors of /proc/diskstats, whatever the disk's own are.
const SECTOR_BYTES: u64 = 512;

/// The disk below a folder.
///
/// The kernel's count per process does not say what reaches a disk: it takes a page cache
/// folio that became dirty as written as a whole, and folios of ext4 and xfs have up to
/// megabytes where a file was written in large steps before. A frame of 200 bytes in a
/// preallocated log then counts as 2 MiB, while the disk gets the block of 4 KiB that it is in.
/// So the disk is asked, which counts everything: the file system's own journal, and other
/// programs too.
pub(crate) struct Disk {
    folder: File,
    device: (u32, u32),
}

impl Disk {
    /// Of the file system that the folder is on.
    pub(crate) fn of(folder: &Path) -> anyhow::Result<Self> {
        let device = fs::metadata(folder)?.dev();
        Ok(Self {
            folder: File::open(folder)?,
            device: numbers(device),
        })
    }

    /// Writes everything that is only in memory, so that no later turn is charged for it.
    /// Returns how many bytes were written since the machine started; none for a file system
    /// that is not on one disk.
    pub(crate) fn settle(&self) -> anyhow::Result<Option<u64>> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&self.folder)?;
        #[cfg(not(target_os = "linux"))]
        self.folder.sync_all()?;
        let disks = fs::read_to_string("/proc/diskstats").unwrap_or_default();
        Ok(bytes_written(&disks, self.device))
    }
}

/// Major and minor, as the kernel packs them for programs (see makedev(3)).
fn numbers(device: u64) -> (u32, u32) {
    let major = (device >> 8) & 0xfff | (device >> 32) & !0xfff;
    let minor = device & 0xff | (device >> 12) & !0xff;
    (major as u32, minor as u32)
}

/// The field behind the name that counts sectors written (see iostats in the kernel's
/// documentation).
fn bytes_written(disks: &str, device: (u32, u32)) -> Option<u64> {
    disks.lines().find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let found = (fields.first()?.parse().ok()?, fields.get(1)?.parse().ok()?);
        let sectors: u64 = fields.get(9)?.parse().ok()?;
        (found == device).then_some(sectors * SECTOR_BYTES)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_found_by_its_numbers() {
        let disks = " 254  0 vda 1 2 3 4 5 6 7 8 0 9 10\n 254  1 vda1 1 2 3 4 5 6 70 8 0 9 10\n";
        assert_eq!(bytes_written(disks, (254, 0)), Some(7 * 512));
        assert_eq!(bytes_written(disks, (254, 1)), Some(70 * 512));
        assert_eq!(bytes_written(disks, (0, 42)), None);
        assert_eq!(numbers(0xfe01), (254, 1));
        assert_eq!(numbers(0x11_032c), (259, 300));
    }
}
