//! Noticing panics wherever they happen, also in tasks that nobody waits for.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static NOTICED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Begins to note the panics of this thread, in the place of printing them. tokio catches
/// those of tasks, so the hook, which a process has only one of, is where they can be noticed.
pub(crate) fn watch() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let noted = NOTICED.with_borrow_mut(|noticed| {
                let noticed = noticed.as_mut()?;
                noticed.push(panic.to_string());
                Some(())
            });
            if noted.is_none() {
                previous(panic);
            }
        }));
    });
    NOTICED.set(Some(Vec::new()));
}

/// The panics of this thread since it was watched; it is watched no longer.
pub(crate) fn taken() -> Vec<String> {
    NOTICED.take().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_a_task_that_nobody_waits_for_is_noticed() {
        watch();
        let task = tokio::spawn(async { panic!("for the test") });
        while !task.is_finished() {
            tokio::task::yield_now().await;
        }
        let taken = taken();
        assert_eq!(taken.len(), 1);
        assert!(taken[0].contains("for the test"));
    }
}
