//! One Set as an OpenTelemetry collector sees it: a real one, which `QUORATE_OTELCOL` names or
//! `PATH` has as `otelcol`. Without it the test says loudly that it was skipped.

mod support;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus::Registry;
use quorate_proto::transport::{ChannelOptions, channel};
use quorate_proto::v1;
use quorate_proto::v1::register_client::RegisterClient;
use quorate_register::ReplicaError;
use quorate_runtime::telemetry::{
    LogArgs, LogFormat, NOTABLE_OPERATION, TraceArgs, TraceSender, subscriber,
};
use tokio_util::sync::CancellationToken;

use support::{Act, Cluster, Served, listen, options, traced_front, until, until_within};

/// The trace that the client began.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// One that its client did not sample, of an operation that failed.
const FAILED: &str = "1af7651916cd43dd8448eb211c80319c";

/// The log of this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn capture() -> Self {
        let log = Self::default();
        let args = LogArgs {
            log: "info".parse().unwrap(),
            log_format: LogFormat::Json,
        };
        let writer = log.clone();
        let (subscriber, _) = subscriber(&args, false, move || writer.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    }

    /// The trace ids of the operations that it tells of.
    fn notable(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let notable = lines.filter(|line: &serde_json::Value| line["target"] == NOTABLE_OPERATION);
        notable
            .map(|line| line["trace_id"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A collector, ended with the test.
struct Collector(Child);

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program() -> Option<PathBuf> {
    if let Some(program) = std::env::var_os("QUORATE_OTELCOL") {
        return Some(program.into());
    }
    let path = std::env::var_os("PATH")?;
    let mut programs = std::env::split_paths(&path).map(|folder| folder.join("otelcol"));
    programs.find(|program| program.is_file())
}

/// Starts one that prints into `output` what it is sent.
fn collector(program: &Path, folder: &Path, port: u16, output: &Path) -> Collector {
    let config = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{port}'}}}}}}}}\n\
         exporters: {{debug: {{verbosity: detailed}}}}\n\
         service:\n  telemetry: {{metrics: {{level: none}}}}\n  \
         pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}\n"
    );
    let file = folder.join("collector.yaml");
    std::fs::write(&file, config).unwrap();
    let output = std::fs::File::create(output).unwrap();
    let child = Command::new(program)
        .arg("--config")
        .arg(&file)
        .stdout(Stdio::from(output.try_clone().unwrap()))
        .stderr(Stdio::from(output))
        .spawn();
    Collector(child.expect("the collector starts"))
}

/// A span as the collector printed it.
#[derive(Debug, Default)]
struct Printed {
    name: String,
    trace: String,
    id: String,
    parent: String,
    attributes: BTreeMap<String, String>,
}

impl Printed {
    fn has(&self, attribute: &str, value: &str) -> bool {
        self.attributes.get(attribute).is_some_and(|it| it == value)
    }
}

/// The spans in the output of the collector's exporter `debug`.
fn printed(text: &str) -> Vec<Printed> {
    let mut spans = Vec::new();
    for block in text.split("\nSpan #").skip(1) {
        let mut span = Printed::default();
        for line in block.lines().skip(1) {
            let line = line.trim();
            if let Some(attribute) = line.strip_prefix("-> ") {
                let Some((name, value)) = attribute.split_once(": ") else {
                    continue;
                };
                // Such as Str(ok) or Int(2).
                let value = value.split_once('(').map_or(value, |(_, value)| value);
                let value = value.trim_end_matches(')').to_owned();
                span.attributes.entry(name.to_owned()).or_insert(value);
            } else if let Some((field, value)) = line.split_once(':') {
                let place = match field.trim() {
                    "Name" => &mut span.name,
                    "Trace ID" => &mut span.trace,
                    "ID" => &mut span.id,
                    "Parent ID" => &mut span.parent,
                    _ => continue,
                };
                if place.is_empty() {
                    *place = value.trim().to_owned();
                }
            }
        }
        spans.push(span);
    }
    spans
}

/// The names of a span and of all above it, from the top.
fn path(spans: &[Printed], span: &Printed) -> Vec<String> {
    let mut path = vec![span.name.clone()];
    let mut current = span;
    while let Some(parent) = spans.iter().find(|it| it.id == current.parent) {
        path.insert(0, parent.name.clone());
        current = parent;
    }
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_is_sent_the_whole_tree_of_a_set() {
    let Some(program) = program() else {
        let needed = std::env::var("QUORATE_NEED_TOOLS").unwrap_or_default();
        assert!(!needed.contains("otelcol"), "otelcol is needed");
        eprintln!("\n*** SKIPPED: traces: no collector; name one by QUORATE_OTELCOL\n");
        return;
    };
    let log = Log::capture();
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output");
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let _collector = collector(&program, folder.path(), port, &output);
    let read = || std::fs::read_to_string(&output).unwrap();
    let patience = Duration::from_secs(60);
    until_within(patience, "a collector", read, |it| {
        it.contains("Everything is ready")
    })
    .await;

    // None but those that their client samples.
    let args = TraceArgs {
        trace_endpoint: Some(format!("http://127.0.0.1:{port}").parse().unwrap()),
        trace_share: 0.0,
    };
    let sender = TraceSender::start(&args, "quorate-test", "here", &Registry::new()).unwrap();
    let mut servers = Vec::new();
    // However slow this machine is, no operation is notable for that.
    let mut options = options();
    options.slow_operation = Duration::from_secs(60);
    let cluster = Cluster::reached(3, 3, options, |replica| {
        let listener = listen("127.0.0.1:0".parse().unwrap());
        servers.push(Served::traced(replica.clone(), listener, sender.traces()));
        servers.last().unwrap().remote()
    });
    let cluster = cluster.await;
    // One refuses its first write, and one never answers.
    let mut refusals = 1;
    cluster.replicas[0].script(
        move |seen| match seen.method == "local_write" && refusals > 0 {
            true => {
                refusals -= 1;
                Act::Fail(ReplicaError::Overloaded { limit: 1 })
            }
            false => Act::Serve,
        },
    );
    cluster.replicas[2].always(Act::Hang);
    let address = traced_front(cluster.coordinator.clone(), sender.traces());
    let mut client = RegisterClient::new(channel(&address, &ChannelOptions::default()).unwrap());
    let secret = "a-key-that-nobody-may-see";
    let set = |trace: &str, flags: &str| {
        let mut request = tonic::Request::new(v1::SetRequest {
            key: secret.into(),
            value: secret.into(),
        });
        let parent = format!("00-{trace}-b7ad6b7169203331-{flags}");
        request
            .metadata_mut()
            .insert("traceparent", parent.parse().unwrap());
        request
    };
    client.set(set(TRACE, "01")).await.unwrap();
    // And two that are not sampled, since their client decided so. The second fails.
    client.set(set(TRACE, "00")).await.unwrap();
    cluster.replicas[1].on("local_read_timestamp", Act::Hang);
    let mut fails = set(FAILED, "00");
    fails.set_timeout(Duration::from_millis(300));
    client.set(fails).await.unwrap_err();
    // The attempts that go on in the background end with the coordinator.
    cluster.stop.cancel();
    cluster.coordinator.ended().await;
    until(
        "no work left",
        || cluster.coordinator.live().operations,
        |it| *it == 0,
    )
    .await;
    sender.end(&CancellationToken::new()).await;

    let text = || read();
    let sets = |text: &String| {
        let spans = printed(text).into_iter();
        spans.filter(|span| span.name == "Set").count()
    };
    let complete = |text: &String| sets(text) >= 2;
    until_within(patience, "the spans", text, complete).await;
    let text = read();
    let (failed, spans): (Vec<_>, Vec<_>) = printed(&text)
        .into_iter()
        .partition(|span| span.trace == FAILED);
    let tree = || format!("{spans:#?}");
    assert!(spans.iter().all(|span| span.trace == TRACE), "{}", tree());
    let sets: Vec<_> = spans.iter().filter(|span| span.name == "Set").collect();
    let [set] = sets[..] else {
        panic!("one Set, not {}", tree());
    };
    assert_eq!(set.parent, "b7ad6b7169203331");
    assert!(set.has("rpc.system.name", "grpc") && set.has("quorate.outcome", "ok"));
    assert!(set.has("rpc.method", "quorate.v1.Register/Set"));
    assert!(set.has("rpc.response.status_code", "OK"));
    let phases = spans.iter().filter(|span| span.name == "phase");
    let phases: Vec<_> = phases
        .filter(|span| span.has("quorate.needed", "2") && span.has("quorate.received", "2"))
        .collect();
    assert_eq!(phases.len(), 2, "{}", tree());
    let commit = spans.iter().filter(|span| span.name == "commit");
    let whole = ["Set", "phase", "attempt", "LocalWrite", "commit"];
    let paths: Vec<_> = commit.map(|span| path(&spans, span)).collect();
    assert_eq!(paths.len(), 2, "{}", tree());
    assert!(paths.iter().all(|path| path == &whole), "{paths:?}");
    let attempts: Vec<_> = spans.iter().filter(|span| span.name == "attempt").collect();
    let retried = |span: &&&Printed| {
        span.has("quorate.attempt.number", "2") && span.has("quorate.replica", "replica-0")
    };
    assert_eq!(attempts.iter().filter(retried).count(), 1, "{}", tree());
    let refused = |span: &&&Printed| span.has("error.type", "overloaded");
    assert_eq!(attempts.iter().filter(refused).count(), 1, "{}", tree());
    let cancelled = |span: &&&Printed| {
        span.has("quorate.outcome", "cancelled") && span.has("quorate.replica", "replica-2")
    };
    let cancelled: Vec<_> = attempts.iter().filter(cancelled).collect();
    let because = |reason| {
        let why = cancelled
            .iter()
            .filter(|span| span.has("quorate.cancelled_by", reason));
        why.count()
    };
    // The read at the quorum, and the write when the coordinator stopped.
    assert_eq!((because("quorum"), because("stop")), (1, 1), "{}", tree());
    let [failed] = &failed[..] else {
        panic!("only the operation itself, not {failed:#?}");
    };
    assert_eq!(
        (failed.name.as_str(), failed.parent.as_str()),
        ("Set", "b7ad6b7169203331")
    );
    assert!(failed.has("quorate.notable", "failed") && failed.has("error.type", "NO_QUORUM"));
    assert_eq!(log.notable(), [FAILED]);
    assert!(!text.contains(secret), "a key or a value is in a span");
}
