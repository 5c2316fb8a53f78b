//! What a person sees while a measurement runs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Format;
use crate::numbers::thousands;

/// A bar on the standard error, if that is a terminal.
pub(crate) struct Progress {
    bar: ProgressBar,
    state: Mutex<State>,
}

struct State {
    label: String,
    began: Instant,
}

impl Progress {
    /// Shown on a `terminal`, except to programs.
    pub(crate) fn new(terminal: bool, format: Format) -> Self {
        let shown = terminal && format == Format::Text;
        let target = match shown {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style("{msg}"));
        let state = State {
            label: String::new(),
            began: Instant::now(),
        };
        Self {
            bar,
            state: Mutex::new(state),
        }
    }

    /// Begins something that takes so long.
    pub(crate) fn begin(&self, label: &str, duration: Duration) {
        *self.state.lock() = State {
            label: label.to_owned(),
            began: Instant::now(),
        };
        self.bar.set_style(style("{bar:30} {msg}"));
        self.bar.set_message(label.to_owned());
        self.bar.set_length(milliseconds(duration));
        // Last, since it draws.
        self.bar.reset();
    }

    /// Shows how many operations have ended since it began.
    pub(crate) fn show(&self, operations: u64) {
        let state = self.state.lock();
        let elapsed = state.began.elapsed();
        let rate = operations as f64 / elapsed.as_secs_f64().max(0.001);
        let rate = thousands(rate as u64);
        self.bar.set_position(milliseconds(elapsed));
        self.bar
            .set_message(format!("{}: {rate} operations/s", state.label));
    }

    /// Shows a phase that has no length.
    pub(crate) fn say(&self, message: &str) {
        self.bar.set_style(style("{msg}"));
        self.bar.set_message(message.to_owned());
        self.bar.reset();
    }

    /// Removes the bar, so that other lines can be written.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    /// Leaves no half of a bar behind, also when something failed.
    fn drop(&mut self) {
        self.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
