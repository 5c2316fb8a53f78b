//! Judges a history.

use std::sync::Arc;

use quorate_workload::{History, Limits, Verdict, check, check_versions};

/// What the checkers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is linearizable.
    Linearizable,
    /// It is not.
    Violation {
        /// The key.
        key: Vec<u8>,
        /// Why, in words; several lines.
        witness: String,
    },
    /// It could not be decided.
    Undecided {
        /// The key.
        key: Vec<u8>,
        /// Why, a sentence.
        reason: String,
    },
}

/// Checks that the history is linearizable, and besides that the order of its versions is
/// that of its operations. It may take seconds, so it runs beside the runtime's threads.
pub(super) async fn judge(history: Arc<History>) -> Judgement {
    let checked = tokio::task::spawn_blocking(move || {
        let report = check(&history, Limits::default());
        (report, check_versions(&history))
    });
    let (report, versions) = match checked.await {
        Ok(checked) => checked,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    match (report.verdict, versions) {
        (Verdict::Violation(witness), _) => Judgement::Violation {
            key: witness.key.bytes().to_vec(),
            witness: witness.to_string().trim_end().to_owned(),
        },
        (_, Err(disorder)) => Judgement::Violation {
            key: disorder.earlier.key.bytes().to_vec(),
            witness: format!("versions contradict the order of operations: {disorder}"),
        },
        (Verdict::Undecided(undecided), Ok(())) => Judgement::Undecided {
            key: undecided.key.bytes().to_vec(),
            reason: undecided.reason,
        },
        (Verdict::Linearizable, Ok(())) => Judgement::Linearizable,
    }
}
