//! One operation as one line of JSON.

use quorate_register::{Key, OpId, Timestamp, Version};
use serde::Serialize;
use serde_json::{Map, Value};

use super::bytes_text::{BytesText, parse_bytes};
use super::{Action, Operation, Outcome};

/// Why a line is no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// It is not JSON, perhaps cut off.
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// It is JSON, yet no object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A field that every operation has is not there.
    #[error("field {field:?} is missing")]
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// A field has a value that it cannot have.
    #[error("field {field:?}: {problem}")]
    Invalid {
        /// Its name.
        field: &'static str,
        /// What it may be.
        problem: String,
    },
}

/// The line of one operation; the order of the fields is the order in the line.
#[derive(Serialize)]
struct Line<'a> {
    client: u64,
    op: &'static str,
    key: BytesText<'a>,
    value: Option<BytesText<'a>>,
    start: u64,
    end: u64,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

/// The operation as JSON without a line break.
pub(super) fn encode(operation: &Operation) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Line {
        client: operation.client,
        op: operation.action.name(),
        key: BytesText(operation.key.bytes()),
        value: operation.action.value().map(|value| BytesText(value)),
        start: operation.start_ns,
        end: operation.end_ns,
        outcome: operation.outcome.name(),
        version: operation.version.map(|version| version.to_string()),
    })
}

/// The reverse of [`encode`].
pub(super) fn decode(line: &[u8]) -> Result<Operation, LineProblem> {
    let value = serde_json::from_slice(line).map_err(|e| LineProblem::NotJson(e.to_string()))?;
    let Value::Object(map) = value else {
        return Err(LineProblem::NotAnObject);
    };
    let mut fields = Fields(map);
    let outcome = match fields
        .word("outcome", "\"ok\", \"fail\" or \"unknown\"")?
        .as_str()
    {
        "ok" => Outcome::Ok,
        "fail" => Outcome::Fail,
        "unknown" => Outcome::Unknown,
        other => {
            return Err(not_a_word(
                "outcome",
                "\"ok\", \"fail\" or \"unknown\"",
                other,
            ));
        }
    };
    let (start_ns, end_ns) = (fields.number("start")?, fields.number("end")?);
    if end_ns < start_ns {
        let problem = format!("it is {end_ns}, before \"start\", which is {start_ns}");
        return Err(LineProblem::Invalid {
            field: "end",
            problem,
        });
    }
    Ok(Operation {
        client: fields.number("client")?,
        key: fields.key()?,
        action: fields.action(outcome)?,
        start_ns,
        end_ns,
        outcome,
        version: fields.version()?,
    })
}

fn not_a_word(field: &'static str, words: &str, found: impl std::fmt::Debug) -> LineProblem {
    let problem = format!("it is {found:?}, not {words}");
    LineProblem::Invalid { field, problem }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn take(&mut self, field: &'static str) -> Result<Value, LineProblem> {
        self.0.remove(field).ok_or(LineProblem::Missing { field })
    }

    fn number(&mut self, field: &'static str) -> Result<u64, LineProblem> {
        let value = self.take(field)?;
        value.as_u64().ok_or_else(|| {
            let problem = format!("it is {value}, not a whole number from 0 to {}", u64::MAX);
            LineProblem::Invalid { field, problem }
        })
    }

    fn word(&mut self, field: &'static str, words: &str) -> Result<String, LineProblem> {
        match self.take(field)? {
            Value::String(word) => Ok(word),
            other => {
                let problem = format!("it is {other}, not {words}");
                Err(LineProblem::Invalid { field, problem })
            }
        }
    }

    fn key(&mut self) -> Result<Key, LineProblem> {
        let invalid = |problem| LineProblem::Invalid {
            field: "key",
            problem,
        };
        let bytes = parse_bytes(self.take("key")?).map_err(invalid)?;
        Key::new(bytes).map_err(|error| invalid(error.to_string()))
    }

    fn action(&mut self, outcome: Outcome) -> Result<Action, LineProblem> {
        const WORDS: &str = "\"get\", \"set\" or \"delete\"";
        let op = self.word("op", WORDS)?;
        let invalid = |problem| LineProblem::Invalid {
            field: "value",
            problem,
        };
        let value = match self.take("value")? {
            Value::Null => None,
            value => Some(parse_bytes(value).map_err(invalid)?),
        };
        match (op.as_str(), value) {
            ("get", Some(_)) if outcome != Outcome::Ok => Err(invalid(
                "a get that is not ok returned nothing; it must be null".into(),
            )),
            ("get", value) => Ok(Action::Get(value)),
            ("set", Some(value)) => Ok(Action::Set(value)),
            ("set", None) => Err(invalid("it is null; a set has a value".into())),
            ("delete", None) => Ok(Action::Delete),
            ("delete", Some(_)) => Err(invalid("a delete has none; it must be null".into())),
            (other, _) => Err(not_a_word("op", WORDS, other)),
        }
    }

    fn version(&mut self) -> Result<Option<Version>, LineProblem> {
        let Some(value) = self.0.remove("version").filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let version = value.as_str().and_then(parse_version);
        version.map(Some).ok_or_else(|| {
            let problem = format!("it is {value}, not as `quorate get` prints a version");
            LineProblem::Invalid {
                field: "version",
                problem,
            }
        })
    }
}

/// The reverse of a version's `Display`: `[generation.]counter-op_id[+rmw]`.
fn parse_version(text: &str) -> Option<Version> {
    let (numbers, rest) = text.split_once('-')?;
    let (generation, counter) = numbers.split_once('.').unwrap_or(("0", numbers));
    let (op_id, rmw) = rest.split_once('+').unwrap_or((rest, "0"));
    if op_id.len() != 32 {
        return None;
    }
    let timestamp = Timestamp {
        generation: generation.parse().ok()?,
        counter: counter.parse().ok()?,
        op_id: OpId::from_bytes(u128::from_str_radix(op_id, 16).ok()?.to_be_bytes()),
        rmw: rmw.parse().ok()?,
    };
    // Whatever prints differently, such as a number with a sign, is no version.
    Some(Version(timestamp)).filter(|version| version.to_string() == text)
}

#[cfg(test)]
mod tests;
