//! The boot counters as JSON, readable by people who must repair them.

use quorate_register::Boot;
use serde::{Deserialize, Serialize};

use super::document::{InvalidDocument, check_format};
use super::{BootEntries, BootEntry};

/// The format version that this program writes, and the newest it reads.
const FORMAT: u32 = 1;

/// What keeps the boot counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootDocument {
    format: u32,
    /// Counts the changes of the document, so that a file can be swapped by comparison.
    pub sequence: u64,
    boots: Vec<EntryDocument>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryDocument {
    replica_id: String,
    number: u64,
    nonce: String,
    volume: Option<String>,
}

impl BootDocument {
    /// The document of these entries.
    pub fn new(entries: &BootEntries, sequence: u64) -> Self {
        let entry =
            |(replica_id, entry): (&quorate_register::ReplicaId, &BootEntry)| EntryDocument {
                replica_id: replica_id.to_string(),
                number: entry.boot.number,
                nonce: entry.boot.nonce.to_string(),
                volume: entry.volume.clone(),
            };
        Self {
            format: FORMAT,
            sequence,
            boots: entries.iter().map(entry).collect(),
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When the bytes are none, or those of a newer program.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidDocument> {
        check_format(bytes, FORMAT)?;
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The document as bytes.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a document of strings and numbers is JSON")
    }

    /// The entries in it.
    ///
    /// # Errors
    /// When an id is none.
    pub fn entries(&self) -> Result<BootEntries, InvalidDocument> {
        let entry = |document: &EntryDocument| {
            let boot = Boot {
                number: document.number,
                nonce: document.nonce.parse()?,
            };
            let volume = document.volume.clone();
            Ok((document.replica_id.parse()?, BootEntry { boot, volume }))
        };
        self.boots.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use quorate_register::{BootNonce, ReplicaId};

    use super::*;

    #[test]
    fn entries_round_trip() {
        let entry = |number: u8, volume: Option<&str>| {
            let boot = Boot {
                number: number.into(),
                nonce: BootNonce::from_bytes([number; 16]),
            };
            let volume = volume.map(str::to_owned);
            (
                ReplicaId::from_bytes([number; 16]),
                BootEntry { boot, volume },
            )
        };
        let entries = BootEntries::from([entry(1, None), entry(2, Some("claim"))]);
        let document = BootDocument::new(&entries, 7);
        let read = BootDocument::parse(&document.to_json()).unwrap();
        assert_eq!(read, document);
        assert_eq!((read.entries().unwrap(), read.sequence), (entries, 7));
    }

    #[test]
    fn a_newer_format_and_other_files_are_told_apart() {
        let error = |bytes: &[u8]| BootDocument::parse(bytes).unwrap_err().to_string();
        assert_eq!(
            error(br#"{"format": 2, "shiny": true}"#),
            "it has format 2; this program reads up to 1"
        );
        assert!(error(b"hello").starts_with("it is no document of this store: "));
        let bad = br#"{"format": 1, "sequence": 1, "boots": [{"replica_id": "x", "number": 1, "nonce": "y", "volume": null}]}"#;
        assert!(BootDocument::parse(bad).unwrap().entries().is_err());
    }
}
