//! Reading and writing histories, an operation at a time.

use std::io::{BufRead, Read as _, Write};

use super::Operation;
use super::line::{self, LineProblem};

/// The longest line a [`Reader`] takes, in bytes.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The input failed.
    #[error("line {line}: cannot read: {source}")]
    Input {
        /// Which line, counted from 1.
        line: u64,
        /// What the input says.
        source: std::io::Error,
    },
    /// A line is longer than [`MAX_LINE_BYTES`].
    #[error("line {line}: it is longer than {MAX_LINE_BYTES} bytes")]
    TooLong {
        /// Which line, counted from 1.
        line: u64,
    },
    /// A line is no operation.
    #[error("line {line}: {problem}")]
    Line {
        /// Which line, counted from 1.
        line: u64,
        /// What is wrong with it.
        problem: LineProblem,
    },
}

/// The operations of a history, read as they are asked for; ends after the first error.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    line: u64,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            line: 0,
            buffer: Vec::new(),
            ended: false,
        }
    }

    /// The next line with an operation in it; `None` at the end.
    fn read(&mut self) -> Result<Option<Operation>, HistoryError> {
        loop {
            self.line += 1;
            let line = self.line;
            self.buffer.clear();
            let mut limited = self.input.by_ref().take(MAX_LINE_BYTES as u64 + 1);
            let read = limited.read_until(b'\n', &mut self.buffer);
            if read.map_err(|source| HistoryError::Input { line, source })? == 0 {
                return Ok(None);
            }
            if self.buffer.len() > MAX_LINE_BYTES {
                return Err(HistoryError::TooLong { line });
            }
            let text = self.buffer.trim_ascii();
            if !text.is_empty() {
                let operation = line::decode(text);
                return operation
                    .map(Some)
                    .map_err(|problem| HistoryError::Line { line, problem });
            }
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Operation, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Writes operations as they end.
#[derive(Debug)]
pub struct Writer<W> {
    output: W,
}

impl<W: Write> Writer<W> {
    /// Writes to `output`, a line per call: wrap it in a buffer.
    pub fn new(output: W) -> Self {
        Self { output }
    }

    /// Writes one operation.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, operation: &Operation) -> std::io::Result<()> {
        let mut line = line::encode(operation)?;
        line.push(b'\n');
        self.output.write_all(&line)
    }

    /// Flushes the output.
    ///
    /// # Errors
    /// Those of the output.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.output.flush()
    }

    /// The output, not flushed.
    pub fn into_inner(self) -> W {
        self.output
    }
}
