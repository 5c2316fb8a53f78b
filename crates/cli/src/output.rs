//! How results are written.

use serde::Serialize;

use crate::{Context, Failure};

/// The flag that all commands have that write a result.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct OutputArgs {
    /// How to write results, and errors: text for people or json for scripts.
    #[arg(
        long,
        short,
        env = "QUORATE_OUTPUT",
        value_name = "FORMAT",
        value_enum,
        default_value = "text"
    )]
    pub output: Format,
}

/// How a result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text for people.
    Text,
    /// One JSON object on a line.
    Json,
}

impl Context {
    /// Writes a result as a line of JSON.
    pub(crate) fn write_json(&mut self, result: &impl Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(result).expect("results are plain data");
        line.push(b'\n');
        self.write(&line)
    }

    /// Writes a line of text.
    pub(crate) fn write_line(&mut self, line: &str) -> Result<(), Failure> {
        self.write(format!("{line}\n").as_bytes())
    }

    /// Writes bytes as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.output.write_all(bytes);
        written
            .and_then(|()| self.output.flush())
            .map_err(Failure::Output)
    }

    /// Writes a line for people beside the result, to the standard error. That it cannot be
    /// written changes nothing.
    pub(crate) fn note(&mut self, line: &str) {
        let _ = writeln!(self.errors, "quorate: {line}");
    }
}
