//! What reaches the log, and how it looks.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard};

use tracing::{debug, info, info_span, subscriber::with_default, trace, warn};

use super::*;

/// A writer into memory.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().expect("no panic while writing")
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().clone()).expect("logs are UTF-8")
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn args(log: &str, log_format: LogFormat) -> LogArgs {
    let log = log.parse().expect(log);
    LogArgs { log, log_format }
}

/// What `work` logs.
fn logged(args: &LogArgs, terminal: bool, work: impl FnOnce()) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    let (subscriber, _) = subscriber(args, terminal, move || writer.clone());
    with_default(subscriber, work);
    captured.text()
}

/// The words that reach the log with `filter`.
fn passed(filter: &str) -> Vec<String> {
    let log = logged(&args(filter, LogFormat::Json), false, || {
        trace!("our-trace");
        debug!("our-debug");
        info!("our-info");
        info!(target: "h2::codec", "h2-info");
        info!(target: "hyper_util::client", "hyper-info");
        info!(target: "tonic::transport", "tonic-info");
        info!(target: "tower::buffer", "tower-info");
        warn!(target: "h2::codec", "h2-warn");
    });
    let lines = log.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect(line);
        line["message"].as_str().expect("a message").to_owned()
    });
    lines.collect()
}

#[test]
fn libraries_are_quiet_unless_named() {
    assert_eq!(passed("info"), ["our-info", "h2-warn"]);
    assert_eq!(passed("debug"), ["our-debug", "our-info", "h2-warn"]);
    assert_eq!(passed("off,h2=error"), [""; 0]);
    let named = passed("quorate=debug,h2=info,hyper=info");
    let expected = ["our-debug", "our-info", "h2-info", "hyper-info", "h2-warn"];
    assert_eq!(named, expected);
}

#[test]
fn a_pod_logs_json() {
    let args = args("info", LogFormat::Auto);
    let log = logged(&args, false, || {
        let span = info_span!("commit", batch = 3);
        span.in_scope(|| info!(member = "replica-0", "two\nlines"));
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    let line: serde_json::Value = serde_json::from_str(&log).expect("JSON");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["message"], "two\nlines");
    assert_eq!(line["member"], "replica-0");
    assert_eq!(line["span"]["batch"], 3);
    assert!(line["timestamp"].is_string(), "{line}");
}

#[test]
fn a_terminal_shows_text() {
    let log = logged(&args("info", LogFormat::Auto), true, || info!("hello"));
    assert!(
        log.contains("INFO") && log.trim_end().ends_with("hello"),
        "{log}"
    );
    let forced = logged(&args("info", LogFormat::Text), false, || info!("hello"));
    assert!(
        forced.contains("hello") && !forced.contains('\u{1b}'),
        "{forced}"
    );
    let json = logged(&args("info", LogFormat::Json), true, || info!("hello"));
    assert!(json.starts_with('{'), "{json}");
}

#[test]
fn a_mistyped_filter_is_refused() {
    let long = format!("info,{}=debug", "a".repeat(4096));
    let mistyped = [
        "",
        " ",
        "quorate=loud",
        "info,[",
        "a=b=c",
        "inof",
        "warn,quorate",
        &long,
    ];
    for text in mistyped {
        let error = text.parse::<LogFilter>().expect_err(text);
        assert!(error.to_string().contains("target=level"), "{error}");
    }
}

#[test]
fn the_filter_changes_while_the_program_runs() {
    let captured = Captured::default();
    let writer = captured.clone();
    let args = args("warn", LogFormat::Text);
    let (subscriber, control) = subscriber(&args, false, move || writer.clone());
    with_default(subscriber, || {
        let say = || debug!("a detail");
        say();
        assert_eq!(captured.text(), "");
        let noisy: LogFilter = "warn,quorate_runtime=debug".parse().expect("a filter");
        control.set(noisy.clone()).expect("the log is there");
        assert_eq!(control.filter(), noisy);
        say();
        let text = captured.text();
        assert!(
            text.contains("a detail") && text.contains(&noisy.to_string()),
            "{text}"
        );
        control
            .set("off".parse().expect("a filter"))
            .expect("the log is there");
        say();
        warn!("a problem");
        assert_eq!(captured.text(), text);
    });
    let gone = control.set("info".parse().expect("a filter"));
    assert!(
        gone.expect_err("the log is gone")
            .to_string()
            .contains("filter")
    );
}
