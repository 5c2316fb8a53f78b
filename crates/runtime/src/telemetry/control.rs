//! Changes what is logged while the program runs.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::{EnvFilter, Registry, reload};

use super::LogFilter;

/// What changes the log's filter. Clones are the same.
#[derive(Clone)]
pub struct LogControl {
    filter: Arc<Mutex<LogFilter>>,
    handle: reload::Handle<EnvFilter, Registry>,
}

/// The log that a [`LogControl`] belonged to is gone.
#[derive(Debug, thiserror::Error)]
#[error("the log's filter cannot be changed: {0}")]
pub struct LogGone(#[from] reload::Error);

impl LogControl {
    /// The filter of a log's layer, and what changes it.
    pub(super) fn new(filter: LogFilter) -> (reload::Layer<EnvFilter, Registry>, Self) {
        let (layer, handle) = reload::Layer::new(filter.to_env_filter());
        let filter = Arc::new(Mutex::new(filter));
        (layer, Self { filter, handle })
    }

    /// What is logged now.
    pub fn filter(&self) -> LogFilter {
        self.filter.lock().clone()
    }

    /// Logs this from now on, until the next change or the end of the process.
    ///
    /// # Errors
    /// The log is gone.
    pub fn set(&self, filter: LogFilter) -> Result<(), LogGone> {
        // Held meanwhile, so that of two changes at a time the one that is told is the last.
        let mut current = self.filter.lock();
        self.handle.reload(filter.to_env_filter())?;
        tracing::info!(from = %current, to = %filter, "the log's filter is changed");
        *current = filter;
        Ok(())
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogControl").field(&self.filter()).finish()
    }
}
