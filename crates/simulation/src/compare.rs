//! Two runs of one seed must be the same run.

use std::fmt;

use crate::run::{Run, simulate};
use crate::settings::Settings;

/// Where two runs part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Diverged {
    /// The number of the first line that differs, from 1.
    pub line: usize,
    /// The line in the first run; empty behind its end.
    pub first: String,
    /// The line in the second run.
    pub second: String,
}

impl fmt::Display for Diverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            first,
            second,
        } = self;
        write!(
            f,
            "two runs of one seed differ in line {line}:\n  {first}\n  {second}"
        )
    }
}

/// Runs a seed twice; only a run that came out the same both times is worth reading.
///
/// # Errors
/// When the two differ: something in them does not follow from the seed.
pub fn simulate_twice(settings: &Settings) -> Result<Run, Diverged> {
    let run = simulate(settings);
    compare(&run, &simulate(settings))?;
    Ok(run)
}

/// Compares what happened, what clients saw and what was found, byte for byte.
///
/// # Errors
/// With the first line that differs.
pub fn compare(first: &Run, second: &Run) -> Result<(), Diverged> {
    if first == second {
        return Ok(());
    }
    let text = |run: &Run| {
        let Run { trace, .. } = run;
        format!("{trace}{}{run}{:?}", run.history_text(), run.counts)
    };
    let (first, second) = (text(first), text(second));
    let (mut ones, mut others) = (first.lines(), second.lines());
    for line in 1.. {
        let (one, other) = (ones.next(), others.next());
        if one != other || one.is_none() {
            return Err(Diverged {
                line,
                first: one.unwrap_or_default().to_owned(),
                second: other.unwrap_or_default().to_owned(),
            });
        }
    }
    unreachable!("a text has an end")
}
