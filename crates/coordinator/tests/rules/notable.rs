//! Of the operations that failed or were slow, some are logged.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use quorate_coordinator::{Canary, CanaryMetrics};
use quorate_register::Register;
use quorate_runtime::telemetry::{LogArgs, LogFormat, NOTABLE_OPERATION, subscriber};
use quorate_trace::{Traces, parent};
use serde_json::Value;
use tokio::time::timeout;
use tracing::subscriber::DefaultGuard;

use crate::support::{Act, Cluster, key, options};

const SLOW: Duration = Duration::from_millis(500);

/// The log at the level that programs have.
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
    /// That of this thread, while the guard lives.
    fn capture() -> (Self, DefaultGuard) {
        let log = Self::default();
        let args = LogArgs {
            log: "info".parse().unwrap(),
            log_format: LogFormat::Json,
        };
        let writer = log.clone();
        let (subscriber, _) = subscriber(&args, false, move || writer.clone());
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The lines about operations since the last call.
    fn take(&self) -> Vec<Value> {
        let mut lines = self.take_all();
        lines.retain(|line| line["target"] == NOTABLE_OPERATION);
        lines
    }

    /// All lines since the last call.
    fn take_all(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

async fn cluster() -> Cluster {
    let mut options = options();
    options.slow_operation = SLOW;
    Cluster::with(3, 3, options).await
}

#[tokio::test(start_paused = true)]
async fn slow_and_failed_operations_are_and_others_are_not() {
    let (log, _guard) = Log::capture();
    let cluster = cluster().await;
    let secret = key("a-key-that-nobody-may-see");
    let set = |limit| cluster.coordinator.set(&secret, "v".into(), limit);
    set(None).await.unwrap();
    cluster.coordinator.get(&secret, None).await.unwrap();
    assert_eq!(log.take(), [Value::Null; 0]);

    for replica in &cluster.replicas {
        replica.on("local_write", Act::ServeAfter(SLOW));
    }
    set(None).await.unwrap();
    let [slow] = &log.take()[..] else {
        panic!("one line");
    };
    assert_eq!(
        (&slow["operation"], &slow["outcome"], &slow["level"]),
        (&"set".into(), &"ok".into(), &"WARN".into())
    );
    assert!(slow["duration_ms"].as_u64() >= Some(500), "{slow}");

    // Its caller leaves, before and after it was slow.
    cluster.replicas[0].on("local_write", Act::Hang);
    cluster.replicas[1].on("local_write", Act::Hang);
    timeout(SLOW / 2, set(None)).await.unwrap_err();
    assert_eq!(log.take(), [Value::Null; 0]);
    timeout(SLOW * 2, set(None)).await.unwrap_err();
    assert_eq!(log.take()[0]["outcome"], "cancelled");

    // Its time is up, however short.
    set(Some(SLOW / 2)).await.unwrap_err();
    let [failed] = &log.take()[..] else {
        panic!("one line");
    };
    assert_eq!(failed["outcome"], "unknown");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("replica-0"), "{error}");
    assert!(!failed.to_string().contains("a-key"), "{failed}");
}

/// Also where its client decided that it is not sampled.
#[tokio::test(start_paused = true)]
async fn a_slow_operation_is_logged_with_its_trace() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let (log, _guard) = Log::capture();
    let cluster = cluster().await;
    for replica in &cluster.replicas {
        replica.on("local_write", Act::ServeAfter(SLOW));
    }
    let provider = SdkTracerProvider::builder().build();
    let traces = Traces::new(provider.tracer("test"));
    let parent = parent::of_text(&format!("00-{TRACE}-b7ad6b7169203331-00"));
    let span = traces.serve("Set", parent, Vec::new);
    let key = key("k");
    let set = cluster.coordinator.set(&key, "v".into(), None);
    span.scope(set).await.unwrap();
    let [slow] = &log.take()[..] else {
        panic!("one line");
    };
    assert_eq!(slow["trace_id"], TRACE);
}

#[tokio::test(start_paused = true)]
async fn of_many_a_few_are_and_the_others_are_counted() {
    let (log, _guard) = Log::capture();
    let cluster = cluster().await;
    for replica in &cluster.replicas {
        replica.always(Act::Hang);
    }
    let key = key("k");
    let fail = || {
        cluster
            .coordinator
            .get(&key, Some(Duration::from_millis(10)))
    };
    for _ in 0..100 {
        fail().await.unwrap_err();
    }
    assert_eq!(log.take().len(), 10);
    tokio::time::advance(Duration::from_secs(10)).await;
    fail().await.unwrap_err();
    assert_eq!(log.take()[0]["left_out"], 90);
}

#[tokio::test(start_paused = true)]
async fn those_of_the_canary_are_told_from_those_of_clients() {
    let (log, _guard) = Log::capture();
    let cluster = cluster().await;
    for replica in &cluster.replicas {
        replica.on("local_write", Act::ServeAfter(SLOW));
    }
    let canary = Canary::new(
        cluster.coordinator.clone(),
        CanaryMetrics::new(&cluster.registry).unwrap(),
        Duration::from_secs(1),
        &*cluster.random,
    );
    let running = tokio::spawn(canary.run());
    tokio::time::sleep(Duration::from_secs(3)).await;
    running.abort();
    let line = &log.take()[0];
    assert_eq!(line["message"], "a slow operation of the canary");
    cluster
        .coordinator
        .set(&key("k"), "v".into(), None)
        .await
        .unwrap();
    assert_eq!(log.take()[0]["message"], "a slow operation");
}

/// No operation fails by one lost member, so nothing else would tell.
#[tokio::test(start_paused = true)]
async fn a_member_that_stops_answering_is_told_once_and_that_it_is_back() {
    let (log, _guard) = Log::capture();
    let cluster = cluster().await;
    let ask = async || {
        let limit = Duration::from_secs(1);
        cluster.coordinator.observe_members(limit).await;
        let lines = log.take_all().into_iter();
        let told = lines.filter(|line| line.get("member").is_some());
        let told = told.map(|line| (line["member"].clone(), line["message"].clone()));
        told.collect::<Vec<_>>()
    };
    assert_eq!(ask().await, []);
    cluster.replicas[1].on("identify", Act::Hang);
    let lost = ("replica-1".into(), "the member does not answer".into());
    assert_eq!(ask().await, [lost]);
    assert_eq!(ask().await, []);
    cluster.replicas[1].on("identify", Act::Serve);
    let back = ("replica-1".into(), "the member answers again".into());
    assert_eq!(ask().await, [back]);
}
