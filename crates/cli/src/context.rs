//! Where a command reads and writes.

use std::fmt;
use std::io::{self, IsTerminal, Read, Write};

use serde_json::Value;

/// What a command is given of the world.
pub struct Context {
    /// The standard output: what was asked for, and nothing else.
    pub output: Box<dyn Write + Send>,
    /// The standard error: what went wrong.
    pub errors: Box<dyn Write + Send>,
    /// The standard input.
    pub input: Box<dyn Read + Send>,
    /// Who reads them.
    pub terminal: Terminal,
    /// The arguments as they were written, for those who show them.
    pub settings: Value,
}

/// Which streams are a terminal, with a person before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminal {
    /// The output is.
    pub output: bool,
    /// The errors are, so that progress can be shown there.
    pub errors: bool,
    /// The output is, and the person did not ask for no colours (`NO_COLOR`).
    pub colours: bool,
}

impl Context {
    /// Those of this process.
    pub fn system(settings: Value) -> Self {
        let output = io::stdout().is_terminal();
        // See no-color.org: set and not empty means none.
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            output: Box::new(io::stdout()),
            errors: Box::new(io::stderr()),
            input: Box::new(io::stdin()),
            terminal: Terminal {
                output,
                errors: io::stderr().is_terminal(),
                colours: output && wanted,
            },
            settings,
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("terminal", &self.terminal)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
