//! Commands that fail, and what the user reads of it.

use std::io;

use quorate_client::{Applied, OperationError, Reason};
use serde_json::{Value, json};

use crate::{Context, Exit, Format};

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// The store did not do what was asked of it.
    Operation {
        /// What: `get`, `set`, `delete`, `status`.
        operation: &'static str,
        /// Why.
        error: OperationError,
    },
    /// An argument cannot be right.
    Usage(String),
    /// A file or the standard input cannot be read or written.
    File(String),
    /// The standard output cannot be written.
    Output(io::Error),
    /// Anything else, in a sentence.
    Other(String),
}

impl Failure {
    /// A closure that makes the failure of an operation.
    pub(crate) fn of(operation: &'static str) -> impl Fn(OperationError) -> Self {
        move |error| Self::Operation { operation, error }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Operation { error, .. } => match (error.applied, error.reason) {
                (Applied::Maybe, _) => Exit::UNKNOWN,
                (_, Reason::InvalidArgument) => Exit::USAGE,
                _ => Exit::FAILED,
            },
            Self::Usage(_) => Exit::USAGE,
            Self::File(_) | Self::Output(_) | Self::Other(_) => Exit::FAILED,
        }
    }

    /// One line for people.
    pub fn text(&self) -> String {
        let text = match self {
            Self::Operation { operation, error } => operation_text(operation, error),
            Self::Usage(text) | Self::File(text) | Self::Other(text) => text.clone(),
            Self::Output(error) => format!("cannot write the output: {error}"),
        };
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// An object for programs.
    pub fn json(&self) -> Value {
        let Self::Operation { operation, error } = self else {
            let reason = match self {
                Self::Usage(_) => "INVALID_ARGUMENT",
                _ => "FAILED",
            };
            return json!({ "error": { "reason": reason, "message": self.text() } });
        };
        let retry_after_ms = error.retry_after.map(|after| after.as_millis() as u64);
        json!({ "error": {
            "operation": operation,
            "reason": error.reason.as_str(),
            "applied": applied_word(error.applied),
            "message": error.message,
            "details": error.details,
            "retry_after_ms": retry_after_ms,
        }})
    }

    /// Tells the user, and returns the exit code. That the standard error cannot be written
    /// changes nothing: the code still tells.
    pub(crate) fn report(self, context: &mut Context, format: Format) -> Exit {
        // Whoever read the output has closed it, and knows.
        let closed =
            matches!(&self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe);
        let _ = match format {
            _ if closed => Ok(()),
            Format::Text => writeln!(context.errors, "quorate: {}", self.text()),
            Format::Json => writeln!(context.errors, "{}", self.json()),
        };
        self.exit()
    }
}

/// `NO` or `MAYBE`, as on the wire.
pub(crate) fn applied_word(applied: Applied) -> &'static str {
    match applied {
        Applied::No => "NO",
        Applied::Maybe => "MAYBE",
    }
}

fn operation_text(operation: &str, error: &OperationError) -> String {
    let message = &error.message;
    match (error.applied, error.reason) {
        (Applied::Maybe, _) => format!(
            "outcome unknown: the {operation} may or may not have taken effect, or may yet: {message}"
        ),
        (_, Reason::Unreachable) => format!(
            "{message}; is a coordinator running? `quorate dev` starts one, --endpoint names another"
        ),
        (_, Reason::InvalidArgument) => format!("{operation} refused: {message}"),
        _ if matches!(operation, "set" | "delete") => {
            format!("{operation} failed and was not applied: {message}")
        }
        _ => format!("{operation} failed: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(operation: &'static str, error: OperationError) -> Failure {
        Failure::Operation { operation, error }
    }

    #[test]
    fn the_exit_code_says_what_a_script_must_know() {
        let no = |reason| failure("set", OperationError::not_applied(reason, "")).exit();
        let maybe = |reason| failure("set", OperationError::unknown(reason, "")).exit();
        assert_eq!(no(Reason::NoQuorum), Exit::FAILED);
        assert_eq!(no(Reason::InvalidArgument), Exit::USAGE);
        for reason in Reason::ALL {
            assert_eq!(maybe(*reason), Exit::UNKNOWN);
        }
        assert_eq!(Failure::Usage(String::new()).exit(), Exit::USAGE);
    }

    #[test]
    fn a_text_is_one_line_that_says_what_became_of_it() {
        let text = |operation, error| failure(operation, error).text();
        let no_quorum = |message: &str| OperationError::not_applied(Reason::NoQuorum, message);
        assert_eq!(
            text("set", no_quorum("needed 2,\nreceived 1")),
            "set failed and was not applied: needed 2, received 1"
        );
        assert_eq!(text("get", no_quorum("x")), "get failed: x");
        assert_eq!(
            text("delete", OperationError::unknown(Reason::NoQuorum, "x")),
            "outcome unknown: the delete may or may not have taken effect, or may yet: x"
        );
        assert_eq!(
            text("get", OperationError::invalid("key", "it is empty")),
            "get refused: key: it is empty"
        );
    }

    #[test]
    fn json_has_everything() {
        let mut error = OperationError::unknown(Reason::NoQuorum, "needed 2, received 1");
        error.details.insert("needed".into(), "2".into());
        error.retry_after = Some(std::time::Duration::from_millis(7));
        let expected = json!({ "error": {
            "operation": "set",
            "reason": "NO_QUORUM",
            "applied": "MAYBE",
            "message": "needed 2, received 1",
            "details": { "needed": "2" },
            "retry_after_ms": 7,
        }});
        assert_eq!(failure("set", error).json(), expected);
        let expected = json!({ "error": { "reason": "FAILED", "message": "no" } });
        assert_eq!(Failure::Other("no".into()).json(), expected);
    }
}
