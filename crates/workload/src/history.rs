//! What clients asked of a register and what they were answered.
//!
//! # Format
//!
//! A history is stored as JSON lines: one object per operation, UTF-8, one per line, in any
//! order; empty lines and unknown fields are ignored. [`Reader`] and [`Writer`] stream it.
//!
//! | field | type | meaning |
//! | --- | --- | --- |
//! | `client` | number | who asked: one sequential caller |
//! | `op` | `"get"`, `"set"`, `"delete"` | what was asked |
//! | `key` | bytes | of which register, 1 to 1024 bytes |
//! | `value` | bytes or null | set: what was to be written; get: what was returned, null for a key without a value, and for a get that is not ok; delete: null |
//! | `start` | number | when the call began |
//! | `end` | number | when it returned, or when its caller stopped waiting; not before `start` |
//! | `outcome` | `"ok"`, `"fail"`, `"unknown"` | see [`Outcome`] |
//! | `version` | string, optional | the version read or written, as `quorate get` prints it |
//!
//! Times are monotonic nanoseconds since the recording began. Two events at the same
//! nanosecond count as concurrent; a [`Recorder`](crate::Recorder) gives no nanosecond twice.
//!
//! Bytes are a string where they are UTF-8, and otherwise an object with their lowercase
//! hexadecimal digits, such as `{"hex":"ff00"}`. Either form is read; nothing is lost.
//!
//! ```json
//! {"client":3,"op":"set","key":"k7","value":"3-12","start":1200,"end":3400,"outcome":"ok"}
//! {"client":4,"op":"get","key":"k7","value":null,"start":1250,"end":2000,"outcome":"ok"}
//! {"client":4,"op":"delete","key":"k7","value":null,"start":2100,"end":9000,"outcome":"unknown"}
//! ```

mod bytes_text;
mod line;
mod stream;
mod summary;

use bytes::Bytes;
use quorate_register::{Key, Version};

pub use line::LineProblem;
pub use stream::{HistoryError, MAX_LINE_BYTES, Reader, Writer};
pub use summary::{Counts, Summary};

/// What was asked, with the value that went in or came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A get and what it returned; `None` for a key without a value, and for a get that is
    /// not [`Outcome::Ok`].
    Get(Option<Bytes>),
    /// A set of this value.
    Set(Bytes),
    /// A delete.
    Delete,
}

impl Action {
    /// The word for it: `get`, `set` or `delete`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Get(_) => "get",
            Self::Set(_) => "set",
            Self::Delete => "delete",
        }
    }

    /// Whether it changes the register.
    pub const fn writes(&self) -> bool {
        !matches!(self, Self::Get(_))
    }

    /// The value that went in or came out.
    pub fn value(&self) -> Option<&Bytes> {
        match self {
            Self::Get(value) => value.as_ref(),
            Self::Set(value) => Some(value),
            Self::Delete => None,
        }
    }
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect at one instant between its start and its end.
    Ok,
    /// It never took effect and never will.
    Fail,
    /// It took effect at one instant after its start, perhaps after its end, or never.
    Unknown,
}

impl Outcome {
    /// The word for it: `ok`, `fail` or `unknown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

/// One call of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who asked.
    pub client: u64,
    /// Of which register.
    pub key: Key,
    /// What was asked, and the value that went in or came out.
    pub action: Action,
    /// When the call began, in nanoseconds since the recording began.
    pub start_ns: u64,
    /// When it returned or its caller stopped waiting; not before `start_ns`.
    pub end_ns: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The version that was read or written, where the caller learnt it.
    pub version: Option<Version>,
}

/// All operations of a recording, in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The operations.
    pub operations: Vec<Operation>,
}

impl History {
    /// Reads a history in the [format](self) of this module.
    ///
    /// # Errors
    /// At the first line that cannot be read or is no operation; the error names line and field.
    pub fn read_from(input: impl std::io::BufRead) -> Result<Self, HistoryError> {
        Reader::new(input).collect()
    }

    /// Writes the history in the [format](self) of this module; wrap `output` in a buffer.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn write_to(&self, output: impl std::io::Write) -> std::io::Result<()> {
        let mut writer = Writer::new(output);
        for operation in &self.operations {
            writer.write(operation)?;
        }
        writer.flush()
    }

    /// How many operations of each kind ended in which way.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.operations)
    }
}

impl FromIterator<Operation> for History {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        Self {
            operations: operations.into_iter().collect(),
        }
    }
}
