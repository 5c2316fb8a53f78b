//! What a run was measured on.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, ensure};
use serde::Serialize;

/// A machine and the versions of both systems.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) processors: usize,
    pub(crate) processor_model: String,
    pub(crate) kernel: String,
    pub(crate) memory_bytes: u64,
    /// Of the folder with the data.
    pub(crate) file_system: String,
    pub(crate) quorate: String,
    pub(crate) etcd: String,
}

impl Machine {
    /// This one, with data in `folder`.
    pub(crate) fn read(folder: &Path, quorate: &Path, etcd: &Path) -> anyhow::Result<Self> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let kib = named(&read("/proc/meminfo"), "MemTotal");
        let kib = kib.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let folder = folder.canonicalize()?;
        Ok(Self {
            processors: available_parallelism()?.get(),
            processor_model: named(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_bytes: kib.unwrap_or_default() * 1024,
            file_system: file_system(&read("/proc/mounts"), &folder).unwrap_or_default(),
            quorate: version(quorate)?,
            etcd: version(etcd)?,
        })
    }

    /// Whether syncing to its file system does nothing, so that writes cannot be compared.
    pub(crate) fn has_no_disk(&self) -> bool {
        matches!(self.file_system.as_str(), "tmpfs" | "ramfs")
    }
}

/// The first line of what `PROGRAM --version` prints, such as `quorate 0.1.0`.
fn version(program: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} --version failed",
        program.display()
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.lines().next().unwrap_or_default();
    // etcd says `etcd Version: 3.6.0`.
    Ok(first.replace("Version: ", ""))
}

/// The text behind the first `name :`.
fn named(text: &str, name: &str) -> Option<String> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let mut named = pairs.filter(|(key, _)| key.trim() == name);
    named.next().map(|(_, value)| value.trim().to_owned())
}

/// The type of the file system that a folder is on: that of the longest mount point above it,
/// and of several there the last.
fn file_system(mounts: &str, folder: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    let above = mounts.filter(|(point, _)| folder.starts_with(point));
    let nearest = above.max_by_key(|(point, _)| point.components().count());
    nearest.map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_decides() {
        let mounts =
            "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/disk xfs rw 0 0\n";
        let of = |folder: &str| file_system(mounts, Path::new(folder));
        assert_eq!(of("/home/a").as_deref(), Some("ext4"));
        assert_eq!(of("/tmp/a").as_deref(), Some("tmpfs"));
        assert_eq!(of("/tmp/disk/a").as_deref(), Some("xfs"));
        assert_eq!(of("/tmpfile").as_deref(), Some("ext4"));
    }

    #[test]
    fn fields_of_proc_files_are_found() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Other\n";
        assert_eq!(named(text, "model name").unwrap(), "Some CPU @ 2 GHz");
        assert_eq!(named(text, "model"), None);
    }
}
