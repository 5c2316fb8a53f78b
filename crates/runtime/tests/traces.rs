//! The trace id in the log, as a program writes it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use prometheus::Registry;
use quorate_runtime::telemetry::{LogArgs, LogFormat, TraceArgs, TraceSender, subscriber};
use quorate_trace::parent;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// What is logged outside of any trace, and then within one.
fn logged(log_format: LogFormat) -> String {
    // Nobody listens there, which nothing waits for.
    let args = TraceArgs {
        trace_endpoint: Some("http://127.0.0.1:9".parse().unwrap()),
        trace_share: 0.0,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _within = runtime.enter();
    let sender = TraceSender::start(&args, "quorate-test", "here", &Registry::new()).unwrap();
    let captured = Captured::default();
    let writer = captured.clone();
    let log = LogArgs {
        log: "info".parse().unwrap(),
        log_format,
    };
    let (subscriber, _) = subscriber(&log, false, move || writer.clone());
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(number = 1, "outside");
        let parent = parent::of_text(&format!("00-{TRACE}-b7ad6b7169203331-00"));
        let span = sender.traces().serve("Set", parent, Vec::new);
        runtime.block_on(span.scope(async { tracing::info!(number = 2, "inside") }));
    });
    String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn what_is_logged_within_a_trace_has_its_id() {
    let log = logged(LogFormat::Json);
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert_eq!(
        (&lines[0]["number"], &lines[0]["trace_id"]),
        (&1.into(), &().into())
    );
    assert_eq!(
        (&lines[1]["number"], &lines[1]["trace_id"]),
        (&2.into(), &TRACE.into())
    );

    let log = logged(LogFormat::Text);
    let lines: Vec<_> = log.lines().collect();
    assert!(!lines[0].contains("trace_id"), "{log}");
    assert!(lines[1].ends_with(&format!("trace_id={TRACE}")), "{log}");
}
