//! What the proc file system of Linux says of the servers.

use std::fs;

use anyhow::{Context, bail};

/// Bytes of page cache that these processes made dirty since they were started
/// (`write_bytes`, see proc_pid_io(5)).
pub(crate) fn bytes_dirtied(processes: &[u32]) -> anyhow::Result<u64> {
    let dirtied = processes
        .iter()
        .map(|pid| field(*pid, "io", "write_bytes:"));
    dirtied.sum()
}

/// Bytes of memory that a process has now (`VmRSS`, see proc_pid_status(5)).
pub(crate) fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    Ok(field(pid, "status", "VmRSS:")? * 1024)
}

fn field(pid: u32, file: &str, name: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/{file}");
    let text = fs::read_to_string(&path).with_context(|| path.clone())?;
    match number(&text, name) {
        Some(number) => Ok(number),
        None => bail!("{path} has no {name}"),
    }
}

/// The number behind a name, without its unit.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let io = "rchar: 9\nwchar: 8\nread_bytes: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 7\n";
        assert_eq!(number(io, "write_bytes:"), Some(4096));
        let status = "Name:\tVmRSS: \nVmHWM:\t  900 kB\nVmRSS:\t  812 kB\n";
        assert_eq!(number(status, "VmRSS:"), Some(812));
        assert_eq!(number(status, "VmSwap:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_a_count_of_bytes() {
        let own = std::process::id();
        assert!(resident_bytes(own).unwrap() > 100_000);
        bytes_dirtied(&[own, own]).unwrap();
        assert!(bytes_dirtied(&[u32::MAX]).is_err());
    }
}
