//! Boots and volumes.

use bytes::Bytes;
use quorate_register::{Boot, BootNonce, MAX_VOLUME_BYTES};

use super::{InvalidMessage, id};
use crate::v1;

impl From<Boot> for v1::Boot {
    fn from(boot: Boot) -> Self {
        Self {
            number: boot.number,
            nonce: Bytes::copy_from_slice(&boot.nonce.to_bytes()),
        }
    }
}

impl TryFrom<v1::Boot> for Boot {
    type Error = InvalidMessage;

    fn try_from(boot: v1::Boot) -> Result<Self, InvalidMessage> {
        if boot.number == 0 {
            return Err(InvalidMessage::new(
                "number",
                "it is 0; the first boot has 1",
            ));
        }
        Ok(Self {
            number: boot.number,
            nonce: BootNonce::from_bytes(id("nonce", &boot.nonce)?),
        })
    }
}

/// The name of a volume, within its limit.
pub(super) fn volume(name: String) -> Result<String, InvalidMessage> {
    if name.is_empty() || name.len() > MAX_VOLUME_BYTES {
        let problem = format!(
            "it has {} bytes; a volume's name has 1 to {MAX_VOLUME_BYTES}",
            name.len()
        );
        return Err(InvalidMessage::new("volume", problem));
    }
    Ok(name)
}
