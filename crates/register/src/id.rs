//! Random 128-bit identities.

use std::fmt;
use std::str::FromStr;

use crate::Entropy;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 hexadecimal digits, not {0:?}")]
pub struct ParseIdError(String);

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// An id that nothing else has, drawn from 128 random bits.
            pub fn random(entropy: &dyn Entropy) -> Self {
                Self(entropy.bits().to_be_bytes())
            }

            /// The id with these bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes of the id.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
                let bits = u128::from_str_radix(text, 16).ok().filter(|_| digits);
                bits.map(|bits| Self(bits.to_be_bytes()))
                    .ok_or_else(|| ParseIdError(text.to_owned()))
            }
        }
    };
}

random_id! {
    /// Names one register store for ever. A replica learns it from the first config it adopts.
    ClusterId
}
random_id! {
    /// Names one replica's disk since it was initialised. A wiped disk has a new one, always.
    ReplicaId
}
random_id! {
    /// Names one [`Config`](crate::Config).
    ConfigId
}
random_id! {
    /// Tells one [`Boot`](crate::Boot) of a disk from every other of the same number.
    BootNonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_round_trip() {
        let id = ReplicaId::from_bytes(*b"\x00\x01234567890abcde");
        assert_eq!(id.to_string().parse::<ReplicaId>(), Ok(id));
        assert_eq!(ReplicaId::from_bytes(id.to_bytes()), id);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "12", "+0000000000000000000000000000001", "zz"] {
            assert_eq!(text.parse::<ReplicaId>(), Err(ParseIdError(text.into())));
        }
    }
}
