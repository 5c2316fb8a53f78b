//! What is logged.

use std::fmt;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};

/// Libraries that tell more than anybody asked for: at `warn` unless named in the filter.
/// A target stands for all that begin with it, so `hyper` is `hyper_util` too.
const QUIET: &str = "h2=warn,hyper=warn,lsm_tree=warn,tonic=warn,tower=warn";

/// The longest filter.
const MAX_BYTES: usize = 4096;

/// Why a text is not a filter.
#[derive(Debug, thiserror::Error)]
#[error("a filter is a level (error, warn, info, debug, trace, off) or target=level pairs: {0}")]
pub struct ParseLogFilterError(String);

/// What is logged: a level, or `target=level` pairs, with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter, with the talkative libraries turned down.
    pub(super) fn to_env_filter(&self) -> EnvFilter {
        build(&self.0).expect("the filter was parsed when it was made")
    }
}

/// Of several directives for one target the last one counts, so the text has the last word.
fn build(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(format!("{QUIET},{text}"))
}

impl FromStr for LogFilter {
    type Err = ParseLogFilterError;

    fn from_str(text: &str) -> Result<Self, ParseLogFilterError> {
        // A variable that is set to nothing would silence everything.
        if text.trim().is_empty() {
            return Err(ParseLogFilterError("it is empty".to_owned()));
        }
        if text.len() > MAX_BYTES {
            let problem = format!("it has {} bytes; the limit is {MAX_BYTES}", text.len());
            return Err(ParseLogFilterError(problem));
        }
        // A word that is no level would be taken for a target, and silence everything else.
        let mistyped = |part: &&str| !part.contains('=') && LevelFilter::from_str(part).is_err();
        if let Some(part) = text.split(',').map(str::trim).find(mistyped) {
            return Err(ParseLogFilterError(format!("`{part}` is neither")));
        }
        match build(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(ParseLogFilterError(error.to_string())),
        }
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
