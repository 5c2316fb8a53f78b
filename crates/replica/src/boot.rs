//! The beginning of a boot: counted on the disk before anything is served.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use quorate_register::{BootNonce, DiskBoots, Entropy};

use crate::{Store, StoreError};

/// How a boot begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootStart {
    /// What the disk has to say of its boots from now on.
    pub boots: DiskBoots,
    /// Whether the replica may serve at once.
    pub admitted: bool,
}

/// How a boot on a disk with these `boots` begins.
///
/// Where an admission is required, the boot is an intent until a coordinator compared it with
/// the boot counters (PROTOCOL 5). A container that was restarted in the pod in which its boot
/// was admitted goes on with that boot: `instance` is the nonce of the boot admitted in this
/// pod, and nobody can have put an old copy in the disk's place meanwhile. Where no admission is
/// required, the boot counts at once.
pub fn judge_start(
    boots: &DiskBoots,
    admission_required: bool,
    instance: Option<BootNonce>,
    entropy: &dyn Entropy,
) -> BootStart {
    let admitted_here = boots.admitted.map(|boot| boot.nonce) == instance && instance.is_some();
    if admission_required && admitted_here && boots.intent.is_none() {
        return BootStart {
            boots: boots.clone(),
            admitted: true,
        };
    }
    let intending = boots.intending(entropy);
    if admission_required {
        return BootStart {
            boots: intending,
            admitted: false,
        };
    }
    let intent = intending.intent.expect("it was made");
    BootStart {
        boots: intending.admitting(intent, None),
        admitted: true,
    }
}

/// Begins a boot on the disk of `store`, durably; `true` when the replica may serve at once.
///
/// # Errors
/// When the boot cannot be made durable.
pub async fn begin_boot<S: Store>(
    store: &S,
    admission_required: bool,
    instance: Option<&InstanceDirectory>,
    entropy: &dyn Entropy,
) -> Result<bool, StoreError> {
    let boots = store.boots();
    let instance = instance.and_then(InstanceDirectory::nonce);
    let start = judge_start(&boots, admission_required, instance, entropy);
    if start.boots != boots {
        store.save_boots(&start.boots).await?;
    }
    Ok(start.admitted)
}

/// A folder that lives as long as the pod, such as an emptyDir: it holds the nonce of the boot
/// that was admitted in it. It must not be copied with the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceDirectory {
    path: PathBuf,
}

impl InstanceDirectory {
    /// The folder at `path`, which must exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The nonce of the boot admitted in this pod. What cannot be read counts as none: the
    /// boot is admitted anew then.
    pub fn nonce(&self) -> Option<BootNonce> {
        let path = self.file();
        match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read which boot was admitted in this pod");
                None
            }
        }
    }

    /// Notes the boot admitted in this pod. It need not survive a crash of the machine, which
    /// the pod does not either; a file that says something else is without effect.
    pub(crate) fn record(&self, nonce: BootNonce) {
        let path = self.file();
        if let Err(error) = std::fs::write(&path, nonce.to_string()) {
            tracing::warn!(path = %path.display(), %error, "a restart in this pod will wait for an admission");
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self) -> PathBuf {
        self.path.join("admitted-boot")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use quorate_register::Boot;

    use super::*;

    struct Counting(AtomicU64);

    impl Entropy for Counting {
        fn bits(&self) -> u128 {
            self.0.fetch_add(1, Ordering::Relaxed).into()
        }
    }

    fn boot(number: u8) -> Boot {
        Boot {
            number: number.into(),
            nonce: BootNonce::from_bytes([number; 16]),
        }
    }

    /// (admitted, intent, required, nonce in the pod) -> (serves at once, admitted, intent).
    #[test]
    fn each_start() {
        type Row = (
            (Option<u8>, Option<u8>, bool, Option<u8>),
            (bool, Option<u64>, Option<u64>),
        );
        let rows: [Row; 10] = [
            ((None, None, true, None), (false, None, Some(1))),
            ((Some(3), None, true, None), (false, Some(3), Some(4))),
            // The nonce of another boot: the disk was restored, or the pod is another.
            ((Some(3), None, true, Some(2)), (false, Some(3), Some(4))),
            ((None, None, true, Some(2)), (false, None, Some(1))),
            // The same pod.
            ((Some(3), None, true, Some(3)), (true, Some(3), None)),
            // An intent stays, whatever the pod says.
            ((Some(3), Some(4), true, None), (false, Some(3), Some(4))),
            ((Some(3), Some(4), true, Some(3)), (false, Some(3), Some(4))),
            // No admission required: every start counts.
            ((None, None, false, None), (true, Some(1), None)),
            ((Some(3), None, false, Some(3)), (true, Some(4), None)),
            ((Some(3), Some(4), false, None), (true, Some(4), None)),
        ];
        for ((admitted, intent, required, instance), expected) in rows {
            let boots = DiskBoots {
                admitted: admitted.map(boot),
                intent: intent.map(boot),
                volume: Some("claim".into()),
            };
            let instance = instance.map(|number| boot(number).nonce);
            let start = judge_start(&boots, required, instance, &Counting(AtomicU64::new(900)));
            let number = |boot: Option<Boot>| boot.map(|boot| boot.number);
            let found = (
                start.admitted,
                number(start.boots.admitted),
                number(start.boots.intent),
            );
            assert_eq!(found, expected, "{boots:?}, {required}, {instance:?}");
            assert_eq!(start.boots.volume.as_deref(), Some("claim"));
        }
    }
}
