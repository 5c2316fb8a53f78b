//! The boots that this disk counted: the file `boots`.
//!
//! ```text
//! flags u8: 1 admitted, 2 intent, 4 volume
//! each that is there, in this order: number u64 | nonce 16, twice; length u16 | volume
//! ```
//!
//! A missing or unreadable file is a lost disk: without it an old copy looks like a new disk.

use std::io;
use std::path::Path;

use quorate_register::{Boot, BootNonce, DiskBoots, MAX_VOLUME_BYTES};

use super::OpenError;
use super::fields::Fields;
use super::files::Files;
use super::mirrored::{MirroredFile, MirroredFormat};

const FORMAT: MirroredFormat = MirroredFormat {
    kind: *b"BOOT",
    slot_bytes: 4 << 10,
};

const ADMITTED: u8 = 1;
const INTENT: u8 = 2;
const VOLUME: u8 = 4;

/// The open file.
pub(super) struct BootFile(MirroredFile);

impl BootFile {
    /// Creates the file of a disk that never served, and syncs it.
    pub(super) fn create(files: &dyn Files, path: &Path) -> Result<(), OpenError> {
        MirroredFile::create(files, path, FORMAT, &encode(&DiskBoots::default()))
    }

    /// Opens the file and reads the boots.
    pub(super) fn open(files: &dyn Files, path: &Path) -> Result<(Self, DiskBoots), OpenError> {
        let (file, payload) = MirroredFile::open(files, path, FORMAT)?;
        let boots = decode(&payload)
            .ok_or_else(|| OpenError::lost(path, "it is not what this program writes"))?;
        Ok((Self(file), boots))
    }

    /// Replaces the boots; durable when it returns.
    pub(super) fn save(&mut self, boots: &DiskBoots) -> io::Result<()> {
        self.0.save(&encode(boots))
    }

    /// Where the file lies.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

fn encode(boots: &DiskBoots) -> Vec<u8> {
    let flag = |there: bool, flag: u8| if there { flag } else { 0 };
    let mut bytes = vec![
        flag(boots.admitted.is_some(), ADMITTED)
            | flag(boots.intent.is_some(), INTENT)
            | flag(boots.volume.is_some(), VOLUME),
    ];
    for boot in [boots.admitted, boots.intent].into_iter().flatten() {
        bytes.extend(boot.number.to_be_bytes());
        bytes.extend(boot.nonce.to_bytes());
    }
    if let Some(volume) = &boots.volume {
        assert!(volume.len() <= MAX_VOLUME_BYTES, "its sender was checked");
        bytes.extend((volume.len() as u16).to_be_bytes());
        bytes.extend(volume.as_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<DiskBoots> {
    let mut fields = Fields(bytes);
    let flags = fields.u8()?;
    let mut boots = DiskBoots::default();
    if flags & ADMITTED != 0 {
        boots.admitted = Some(boot(&mut fields)?);
    }
    if flags & INTENT != 0 {
        boots.intent = Some(boot(&mut fields)?);
    }
    if flags & VOLUME != 0 {
        let length = fields.u16()?;
        let volume = fields.bytes(length.into())?.to_vec();
        boots.volume = Some(String::from_utf8(volume).ok()?);
    }
    (fields.is_empty() && flags & !(ADMITTED | INTENT | VOLUME) == 0).then_some(boots)
}

fn boot(fields: &mut Fields<'_>) -> Option<Boot> {
    Some(Boot {
        number: fields.u64()?,
        nonce: BootNonce::from_bytes(fields.array()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boots_round_trip_and_nothing_shorter_or_longer_is_read() {
        let boot = |number: u8| Boot {
            number: number.into(),
            nonce: BootNonce::from_bytes([number; 16]),
        };
        for admitted in [None, Some(boot(1))] {
            for intent in [None, Some(boot(2))] {
                for volume in [None, Some("claim".to_owned())] {
                    let boots = DiskBoots {
                        admitted,
                        intent,
                        volume,
                    };
                    let bytes = encode(&boots);
                    assert_eq!(decode(&bytes), Some(boots));
                    for length in 0..bytes.len() {
                        assert_eq!(decode(&bytes[..length]), None);
                    }
                    assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
                }
            }
        }
        assert_eq!(decode(&[8]), None, "a flag of a newer program");
    }
}
