//! A config as JSON, for config stores: readable by people who must repair one.

use quorate_register::config::InvalidConfig;
use quorate_register::{Config, ConfigParts, Epoch, Member, ParseIdError};
use serde::{Deserialize, Serialize};

/// The format version that this program writes, and the newest it reads.
const FORMAT: u32 = 1;

/// What a config store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigDocument {
    format: u32,
    /// Counts the changes of the document, so that a file can be swapped by comparison.
    pub sequence: u64,
    /// Whether the config is recorded as proven active.
    pub active: bool,
    cluster_id: String,
    id: String,
    ancestors: Vec<String>,
    recovery: u64,
    epoch: u64,
    current: Vec<MemberDocument>,
    next: Option<Vec<MemberDocument>>,
    activators: Vec<MemberDocument>,
    retired: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberDocument {
    replica_id: String,
    pod: String,
}

/// Why a document is no config.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDocument {
    /// It is not such a JSON document.
    #[error("it is no document of this store: {0}")]
    Json(#[from] serde_json::Error),
    /// A newer program wrote it.
    #[error("it has format {found}; this program reads up to {supported}")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest that is read.
        supported: u32,
    },
    /// An id is none.
    #[error(transparent)]
    Id(#[from] ParseIdError),
    /// Its parts do not fit together.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
}

/// Looks at the format first, so that a newer one is not reported as an unknown field.
pub(super) fn check_format(bytes: &[u8], supported: u32) -> Result<(), InvalidDocument> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format: found } = serde_json::from_slice(bytes)?;
    if found > supported {
        return Err(InvalidDocument::Newer { found, supported });
    }
    Ok(())
}

impl ConfigDocument {
    /// The document of a config.
    pub fn new(config: &Config, active: bool, sequence: u64) -> Self {
        let parts = config.parts();
        let members = |members: &[Member]| {
            let document = |member: &Member| MemberDocument {
                replica_id: member.replica_id.to_string(),
                pod: member.pod.clone(),
            };
            members.iter().map(document).collect::<Vec<_>>()
        };
        Self {
            format: FORMAT,
            sequence,
            active,
            cluster_id: parts.cluster_id.to_string(),
            id: parts.id.to_string(),
            ancestors: parts.ancestors.iter().map(ToString::to_string).collect(),
            recovery: parts.epoch.recovery,
            epoch: parts.epoch.number,
            current: members(&parts.current),
            next: parts.next.as_deref().map(members),
            activators: members(&parts.activators),
            retired: parts.retired.iter().map(ToString::to_string).collect(),
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

    /// The config in it.
    ///
    /// # Errors
    /// When an id or the whole is invalid.
    pub fn config(&self) -> Result<Config, InvalidDocument> {
        let members = |documents: &[MemberDocument]| {
            let member = |document: &MemberDocument| {
                Ok(Member {
                    replica_id: document.replica_id.parse()?,
                    pod: document.pod.clone(),
                })
            };
            documents
                .iter()
                .map(member)
                .collect::<Result<Vec<_>, ParseIdError>>()
        };
        let ancestors = self.ancestors.iter().map(|id| id.parse());
        let retired = self.retired.iter().map(|id| id.parse());
        Ok(Config::new(ConfigParts {
            cluster_id: self.cluster_id.parse()?,
            id: self.id.parse()?,
            ancestors: ancestors.collect::<Result<_, _>>()?,
            epoch: Epoch {
                recovery: self.recovery,
                number: self.epoch,
            },
            current: members(&self.current)?,
            next: self.next.as_deref().map(members).transpose()?,
            activators: members(&self.activators)?,
            retired: retired.collect::<Result<_, _>>()?,
        })?)
    }
}

#[cfg(test)]
mod tests {
    use quorate_register::{ClusterId, ConfigId, ReplicaId};

    use super::*;

    fn joint_config() -> Config {
        let group = |ids: std::ops::Range<u8>| {
            let member = |n| Member {
                replica_id: ReplicaId::from_bytes([n; 16]),
                pod: format!("replica-{n}"),
            };
            ids.map(member).collect::<Vec<_>>()
        };
        Config::new(ConfigParts {
            cluster_id: ClusterId::from_bytes([1; 16]),
            id: ConfigId::from_bytes([2; 16]),
            ancestors: vec![ConfigId::from_bytes([3; 16])],
            epoch: Epoch {
                recovery: 1,
                number: 7,
            },
            current: group(0..3),
            next: Some(group(2..5)),
            activators: group(0..3),
            retired: vec![ReplicaId::from_bytes([9; 16])],
        })
        .unwrap()
    }

    #[test]
    fn a_config_round_trips() {
        let document = ConfigDocument::new(&joint_config(), true, 5);
        let read = ConfigDocument::parse(&document.to_json()).unwrap();
        assert_eq!(read, document);
        assert_eq!(read.config().unwrap(), joint_config());
    }

    #[test]
    fn a_newer_format_and_other_files_are_told_apart() {
        let error = |bytes: &[u8]| ConfigDocument::parse(bytes).unwrap_err().to_string();
        assert_eq!(
            error(br#"{"format": 2, "shiny": true}"#),
            "it has format 2; this program reads up to 1"
        );
        assert!(error(b"hello").starts_with("it is no document of this store: "));
    }
}
