//! The last problems of the process, kept for people who look at it.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// How many different problems are kept.
const MAX_PROBLEMS: usize = 50;

/// The longest text of one in bytes; the rest is cut off.
const MAX_TEXT_BYTES: usize = 600;

/// The target of events that tell of an operation that failed. They are at level debug, so that
/// a fault under load does not flood the log, and are kept here all the same.
pub const FAILED_OPERATION: &str = "quorate::failed_operation";

/// The target of warnings about operations that failed or were slow, which tell of a few of many
/// and of each something else. They are not kept here.
pub const NOTABLE_OPERATION: &str = "quorate::notable_operation";

/// The last warnings, errors and failed operations of the process: at most 50 different ones.
/// Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct RecentProblems {
    problems: Arc<Mutex<VecDeque<Problem>>>,
}

/// Something that went wrong, perhaps several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub level: Level,
    /// What the log says, in one line of at most 600 bytes.
    pub text: String,
    /// How often it happened, with the same text, while it was kept.
    pub times: u64,
    /// When it happened last.
    pub last: Instant,
}

impl RecentProblems {
    /// What is kept, the latest first.
    pub fn latest_first(&self) -> Vec<Problem> {
        self.problems.lock().iter().rev().cloned().collect()
    }

    /// Keeps one more; the oldest goes when there are too many.
    fn push(&self, level: Level, text: String) {
        let mut problems = self.problems.lock();
        let same = |problem: &Problem| problem.level == level && problem.text == text;
        let before = problems.iter().position(same);
        let before = before.and_then(|at| problems.remove(at));
        if problems.len() == MAX_PROBLEMS {
            problems.pop_front();
        }
        problems.push_back(Problem {
            level,
            text,
            times: before.map_or(0, |before| before.times) + 1,
            last: Instant::now(),
        });
    }

    /// The layer that keeps what is logged as a warning or worse, whatever the log's filter.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let filter = Targets::new()
            .with_default(Level::WARN)
            .with_target(FAILED_OPERATION, Level::DEBUG)
            .with_target(NOTABLE_OPERATION, LevelFilter::OFF);
        Keep(self.clone()).with_filter(filter)
    }
}

struct Keep(RecentProblems);

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let level = *event.metadata().level();
        self.0.push(level, text.line());
    }
}

/// The message of an event and its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    /// One line, cut where a character begins.
    fn line(self) -> String {
        let text = self.message + &self.fields;
        let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let end = (0..=line.len().min(MAX_TEXT_BYTES)).rfind(|it| line.is_char_boundary(*it));
        line.truncate(end.unwrap_or_default());
        line
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
        written.expect("a string takes everything");
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn texts(recent: &RecentProblems) -> Vec<(String, u64)> {
        let problems = recent.latest_first().into_iter();
        problems.map(|it| (it.text, it.times)).collect()
    }

    fn recording(log: impl FnOnce()) -> RecentProblems {
        let recent = RecentProblems::default();
        with_default(
            tracing_subscriber::Registry::default().with(recent.layer()),
            log,
        );
        recent
    }

    #[test]
    fn problems_are_kept_with_their_fields_and_nothing_else_is() {
        let recent = recording(|| {
            tracing::info!("all is well");
            tracing::debug!("details");
            tracing::warn!(pod = "replica-1", count = 3, "two\nlines");
            tracing::debug!(target: FAILED_OPERATION, "no quorum");
            tracing::warn!(target: NOTABLE_OPERATION, "a slow operation");
        });
        let expected = [
            ("no quorum".to_owned(), 1),
            ("two lines pod=replica-1 count=3".to_owned(), 1),
        ];
        assert_eq!(texts(&recent), expected);
    }

    #[test]
    fn repeats_are_counted_and_the_number_and_length_are_bounded() {
        let recent = recording(|| {
            tracing::error!("again");
            for number in 0..2 * MAX_PROBLEMS {
                tracing::warn!(number, "another");
                tracing::error!("again");
            }
            tracing::warn!("{}", "ä".repeat(MAX_TEXT_BYTES));
        });
        let texts = texts(&recent);
        assert_eq!(texts.len(), MAX_PROBLEMS);
        assert_eq!(texts[0].0.len(), MAX_TEXT_BYTES);
        assert_eq!(texts[1], ("again".to_owned(), 2 * MAX_PROBLEMS as u64 + 1));
    }
}
