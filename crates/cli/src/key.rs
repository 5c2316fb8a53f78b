//! The key that a command is about.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use quorate_client::Key;

use crate::Failure;

/// A key on the command line.
#[derive(Debug, Clone, clap::Args)]
pub struct KeyArgs {
    /// The key, 1 to 1024 bytes.
    pub key: OsString,

    /// The key is written in hexadecimal digits, two for each byte.
    #[arg(long, env = "QUORATE_KEY_HEX")]
    pub key_hex: bool,
}

impl KeyArgs {
    /// The key: the argument's bytes as they are, or those that its digits stand for.
    pub(crate) fn key(&self) -> Result<Key, Failure> {
        let bytes = match self.key_hex {
            true => unhex(&self.key).ok_or_else(|| {
                let problem = "the key is not pairs of hexadecimal digits, as --key-hex demands";
                Failure::Usage(problem.to_owned())
            })?,
            false => self.key.as_bytes().to_vec(),
        };
        Key::new(bytes).map_err(|error| Failure::Usage(format!("the key is not valid: {error}")))
    }
}

fn unhex(digits: &OsStr) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = digits.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &[u8], key_hex: bool) -> Result<Vec<u8>, String> {
        let key = OsStr::from_bytes(text).to_owned();
        let key = KeyArgs { key, key_hex }.key();
        key.map(|key| key.bytes().to_vec())
            .map_err(|failure| failure.text())
    }

    #[test]
    fn a_key_is_any_bytes() {
        assert_eq!(key(b"greeting", false), Ok(b"greeting".to_vec()));
        assert_eq!(key(b"\xff\xfe", false), Ok(b"\xff\xfe".to_vec()));
        assert_eq!(key(b"00fF10", true), Ok(b"\x00\xff\x10".to_vec()));
    }

    #[test]
    fn what_is_no_key_is_named() {
        assert_eq!(
            key(b"", false).unwrap_err(),
            "the key is not valid: it is empty; a key has 1 to 1024 bytes"
        );
        assert_eq!(
            key(&[b'k'; 1025], false).unwrap_err(),
            "the key is not valid: it has 1025 bytes; a key has 1 to 1024 bytes"
        );
        for digits in [&b"f"[..], b"fg", "\u{e9}".as_bytes()] {
            let problem = key(digits, true).unwrap_err();
            assert!(problem.contains("hexadecimal"), "{problem}");
        }
    }
}
