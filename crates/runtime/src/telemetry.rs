//! What a program tells about itself while it runs: logs, on the standard error, and traces,
//! to a collector.

mod control;
mod filter;
mod quota;
mod recent;
mod trace_id;
mod traces;

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, Registry};

use self::trace_id::WithTraceId;

pub use control::LogControl;
pub use filter::{LogFilter, ParseLogFilterError};
pub use quota::Quota;
pub use recent::{FAILED_OPERATION, NOTABLE_OPERATION, Problem, RecentProblems};
pub use traces::{
    ParseTraceArgError, TraceArgs, TraceEndpoint, TraceMetrics, TraceSender, TracesError,
};

/// The flags of the log.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace, off), or several
    /// target=level pairs with commas between, such as info,quorate_replica=debug.
    #[arg(
        long,
        env = "QUORATE_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    pub log: LogFilter,

    /// How to log: text for people, JSON for machines, or auto, which is text on a terminal
    /// and JSON elsewhere.
    #[arg(
        long,
        env = "QUORATE_LOG_FORMAT",
        value_name = "FORMAT",
        value_enum,
        default_value = "auto"
    )]
    pub log_format: LogFormat,
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Text, with colours on a terminal unless `NO_COLOR` is set.
    Text,
    /// One JSON object per line.
    Json,
}

/// What the process tells about itself, for those who ask it. Clones are the same.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Its last problems.
    pub recent_problems: RecentProblems,
    /// What it logs.
    pub log: LogControl,
}

/// The process has a subscriber already.
#[derive(Debug, thiserror::Error)]
#[error("telemetry can be set up only once")]
pub struct TelemetryError(#[from] TryInitError);

/// Sends what this process logs, by `tracing` or by `log`, to its standard error. Lines are
/// never held back, so that the last words of a process that aborts are read. For `main` only:
/// this is the one thing that a process has one of. A test uses [`subscriber`].
///
/// # Errors
/// It was called before.
pub fn init(args: &LogArgs) -> Result<Telemetry, TelemetryError> {
    let terminal = io::stderr().is_terminal();
    let recent_problems = RecentProblems::default();
    let (subscriber, log) = subscriber(args, terminal, io::stderr);
    subscriber.with(recent_problems.layer()).try_init()?;
    Ok(Telemetry {
        recent_problems,
        log,
    })
}

/// The subscriber that [`init`] makes the process's: one layer per destination, each with a
/// filter of its own; and what changes the log's filter. `terminal` is whether a person reads
/// what `writer` writes.
pub fn subscriber<W>(
    args: &LogArgs,
    terminal: bool,
    writer: W,
) -> (
    impl Subscriber + for<'span> LookupSpan<'span> + Send + Sync + use<W>,
    LogControl,
)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, control) = LogControl::new(args.log.clone());
    let layer = log_layer(args.log_format, terminal, writer).with_filter(filter);
    (Registry::default().with(layer), control)
}

/// The layer that writes the log.
fn log_layer<W>(
    format: LogFormat,
    terminal: bool,
    writer: W,
) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let layer = fmt::layer().with_writer(writer);
    if json {
        layer
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .map_event_format(|format| WithTraceId { format, json })
            .boxed()
    } else {
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        layer
            .with_ansi(colours)
            .map_event_format(|format| WithTraceId { format, json })
            .boxed()
    }
}

#[cfg(test)]
mod tests;
