//! A person accepts disks that were restored from a copy.

use std::time::Duration;

use quorate_register::ReplicaId;

use super::admission::{Found, find_all, same_disk_elsewhere, write};
use super::{BootCounters, BootEntry, ConfigStoreError, Directory, SwapOutcome, Volumes};

/// Why no disk was accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Some pod that is meant does not answer, or has no disk that could be accepted.
    #[error("nothing was accepted: {problems}")]
    Pods {
        /// Which, and why not.
        problems: String,
    },
    /// The boot counters did not answer.
    #[error(transparent)]
    Counters(#[from] ConfigStoreError),
}

/// A disk that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptedDisk {
    /// Its pod.
    pub pod: String,
    /// Its id.
    pub replica_id: ReplicaId,
}

/// Counts the boots of the disks in these pods as they are, however old the disks may be, so
/// that coordinators admit them. Those that serve already are left alone.
///
/// This is for a store that stopped because a majority of its disks were restored from copies,
/// as when a whole namespace was: nobody can say what is missing, so a person must decide.
///
/// **What may be lost**: every write, delete included, that was acknowledged after the oldest
/// of the copies was taken. Copies that were taken at different times may also disagree: a value
/// that some client has read may be gone, and one that was overwritten or deleted may come back.
/// What a majority of the disks that serve now have in common is not lost. Never accept a disk
/// while the one it was copied from still exists and may serve.
///
/// # Errors
/// [`AcceptError`]; nothing was changed unless the counters' outcome is unknown.
pub async fn accept_disks(
    directory: &dyn Directory,
    counters: &dyn BootCounters,
    volumes: Option<&dyn Volumes>,
    pods: &[String],
    limit: Duration,
) -> Result<Vec<AcceptedDisk>, AcceptError> {
    loop {
        let stored = counters.read().await?;
        let found = find_all(directory, volumes, limit).await;
        let mut problems = Vec::new();
        let mut accepted = Vec::new();
        let stored_entries = stored.as_ref().map(|stored| stored.entries.clone());
        let mut entries = stored_entries.unwrap_or_default();
        for pod in pods {
            match acceptable(pod, &found) {
                Ok(None) => {}
                Ok(Some((disk, entry))) => {
                    entries.insert(disk.replica_id, entry);
                    accepted.push(disk);
                }
                Err(problem) => problems.push(format!("{pod}: {problem}")),
            }
        }
        if !problems.is_empty() {
            let problems = problems.join("; ");
            return Err(AcceptError::Pods { problems });
        }
        if accepted.is_empty() {
            return Ok(accepted);
        }
        match write(counters, stored.as_ref(), &entries).await? {
            SwapOutcome::Swapped(_) => return Ok(accepted),
            SwapOutcome::Conflict => {}
        }
    }
}

/// The disk in a pod and the entry that accepts it; `None` when it serves.
fn acceptable(pod: &str, found: &[Found]) -> Result<Option<(AcceptedDisk, BootEntry)>, String> {
    let here = found.iter().find(|found| found.pod == pod);
    let here = here.ok_or("it does not answer")?;
    let identity = &here.identity;
    if identity.admitted {
        return Ok(None);
    }
    if let Some(other) = same_disk_elsewhere(here, found) {
        return Err(format!(
            "pod {other} has a disk of the same id, {}: empty one of the two",
            identity.replica_id
        ));
    }
    let boot = identity.boots.intent.ok_or("it does not say which boot")?;
    let volume = here.volume.clone();
    let volume = volume.map_err(|problem| format!("its volume is not known: {problem}"))?;
    let disk = AcceptedDisk {
        pod: pod.to_owned(),
        replica_id: identity.replica_id,
    };
    Ok(Some((disk, BootEntry { boot, volume })))
}
