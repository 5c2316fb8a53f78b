//! Raw requests over loopback.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use tracing::Dispatch;

use super::*;
use crate::listener::bind;
use crate::telemetry::{LogArgs, LogControl, LogFormat, RecentProblems, subscriber};
use crate::{ListenAddress, metrics};

/// A server, and what steers it.
struct Served {
    address: SocketAddr,
    readiness: watch::Sender<Readiness>,
    shutdown: Shutdown,
    server: JoinHandle<()>,
    _log: Dispatch,
}

/// A role that is well.
struct Answering;

#[async_trait::async_trait]
impl StatusPage for Answering {
    async fn content(&self) -> StatusContent {
        StatusContent {
            headline: Cell::new("healthy: all serve", Tone::Good),
            ..StatusContent::default()
        }
    }
}

/// The log of a test, which nobody reads.
fn log() -> (Dispatch, LogControl) {
    let args = LogArgs {
        log: "info".parse().expect("a filter"),
        log_format: LogFormat::Json,
    };
    let (subscriber, log) = subscriber(&args, false, std::io::sink);
    (Dispatch::new(subscriber), log)
}

/// A server as programs have it, or with other limits.
async fn serve(limits: Option<server::Limits>) -> Served {
    let listener = bind(&ListenAddress::loopback(0), "--admin-listen").await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (readiness, receiver) = watch::channel(Readiness::not_ready("no config\nyet"));
    let build = BuildInfo {
        name: "quorate-test",
        version: "1.2.3",
        revision: None,
    };
    let (_log, log) = log();
    let registry = Registry::new();
    metrics::register(&registry, &build).expect("the registry is empty");
    let admin = Admin {
        build,
        registry,
        readiness: receiver,
        settings: json!({ "listen": "[::]:7400", "token": "(hidden)" }),
        status: Arc::new(Answering),
        telemetry: Telemetry {
            recent_problems: RecentProblems::default(),
            log,
        },
    };
    let shutdown = Shutdown::new();
    let server = match limits {
        None => tokio::spawn(admin.serve(listener, shutdown.clone())),
        Some(limits) => {
            let router = routes::router(admin, shutdown.draining.clone());
            let stop = shutdown.cancel.clone();
            tokio::spawn(server::serve(listener, router, limits, stop))
        }
    };
    Served {
        address,
        readiness,
        shutdown,
        server,
        _log,
    }
}

/// Sends `bytes` and reads until the server closes.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(bytes).await.expect("it reads");
    read_to_end(&mut stream).await
}

/// Reads until the server closes; in whatever way, for some tests make it reset.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(CONNECTION_LIMIT * 6, stream.read_to_end(&mut answer));
    let _ = read.await.expect("the server closes");
    String::from_utf8(answer).expect("answers are UTF-8")
}

/// The status, head and body that a request is answered with.
async fn request(address: SocketAddr, method: &str, path: &str) -> (u16, String, String) {
    request_with(address, method, path, "").await
}

/// The same, with a body.
async fn request_with(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, String, String) {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost");
    let request = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    let answer = exchange(address, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.expect("a status line");
    (status, head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let served = serve(None).await;
    let (status, head, body) = request(served.address, "GET", "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        head.contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    let line = "quorate_build_info{revision=\"unknown\",version=\"1.2.3\"} 1";
    assert!(body.lines().any(|found| found == line), "{body}");
}

#[tokio::test]
async fn live_and_info_answer() {
    let served = serve(None).await;
    let (status, _, body) = request(served.address, "GET", "/live").await;
    assert_eq!((status, body.as_str()), (200, "live\n"));

    let (status, head, body) = request(served.address, "GET", "/info").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/json"), "{head}");
    let info: Value = serde_json::from_str(&body).expect("JSON");
    let expected = json!({
        "name": "quorate-test",
        "version": "1.2.3",
        "revision": null,
        "settings": { "listen": "[::]:7400", "token": "(hidden)" },
    });
    assert_eq!(info, expected);
}

#[tokio::test]
async fn readiness_follows_the_role_and_the_shutdown() {
    let served = serve(None).await;
    let (status, _, body) = request(served.address, "GET", "/ready").await;
    assert_eq!((status, body.as_str()), (503, "not ready: no config yet\n"));

    served.readiness.send_replace(Readiness::Ready);
    let (status, _, body) = request(served.address, "GET", "/ready").await;
    assert_eq!((status, body.as_str()), (200, "ready\n"));

    served.shutdown.draining.cancel();
    let (status, _, body) = request(served.address, "GET", "/ready").await;
    assert_eq!((status, body.as_str()), (503, "not ready: shutting down\n"));
    let (status, ..) = request(served.address, "GET", "/live").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn the_status_page_shows_the_role_and_whether_it_is_ready() {
    let served = serve(None).await;
    let (status, head, body) = request(served.address, "GET", "/").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/html"), "{head}");
    assert!(
        head.contains("content-security-policy: default-src 'none'"),
        "{head}"
    );
    assert!(body.contains("not ready: no config yet"), "{body}");
    assert!(body.contains("http-equiv=\"refresh\""), "{body}");

    served.readiness.send_replace(Readiness::Ready);
    let (_, _, body) = request(served.address, "GET", "/").await;
    assert!(body.contains("healthy: all serve"), "{body}");
}

#[tokio::test]
async fn the_logs_filter_is_told_and_changed_and_a_bad_one_is_refused() {
    let served = serve(None).await;
    let now = || request(served.address, "GET", "/log-filter");
    assert_eq!(now().await.2, "info\n");
    let put = |filter: &'static str| request_with(served.address, "PUT", "/log-filter", filter);
    let (status, _, body) = put("warn,quorate_replica=debug\n").await;
    assert_eq!(
        (status, body.as_str()),
        (200, "warn,quorate_replica=debug\n")
    );
    for (bad, expected) in [("", "it is empty"), ("loud", "`loud` is neither")] {
        let (status, _, body) = put(bad).await;
        assert_eq!(status, 400, "{bad}");
        assert!(
            body.contains("target=level") && body.contains(expected),
            "{body}"
        );
    }
    let long = "a".repeat(routes::MAX_BODY_BYTES + 1);
    let (status, ..) = request_with(served.address, "PUT", "/log-filter", &long).await;
    assert_eq!(status, 413);
    assert_eq!(now().await.2, "warn,quorate_replica=debug\n");
    let (status, ..) = request(served.address, "POST", "/log-filter").await;
    assert_eq!(status, 405);
}

#[tokio::test]
async fn heads_have_no_body() {
    let served = serve(None).await;
    for (path, expected) in [
        ("/live", 200),
        ("/ready", 503),
        ("/metrics", 200),
        ("/x", 404),
    ] {
        let (status, head, body) = request(served.address, "HEAD", path).await;
        assert_eq!((status, body.as_str()), (expected, ""), "{path}");
        assert!(head.contains("content-length: "), "{path}: {head}");
    }
}

#[tokio::test]
async fn unknown_paths_are_told_what_exists() {
    let served = serve(None).await;
    for path in ["/x", "/healthz", "/live/x"] {
        let (status, _, body) = request(served.address, "GET", path).await;
        assert_eq!(status, 404);
        for existing in ["/info", "/live", "/metrics", "/ready"] {
            assert!(body.contains(existing), "{body}");
        }
    }
    let (status, ..) = request(served.address, "POST", "/live").await;
    assert_eq!(status, 405);
}

#[tokio::test]
async fn a_long_head_is_refused() {
    let served = serve(None).await;
    let padding = "a".repeat(2 * 16 * 1024);
    let bytes = format!("GET /live HTTP/1.1\r\nHost: localhost\r\nX: {padding}\r\n\r\n");
    let answer = exchange(served.address, bytes.as_bytes()).await;
    assert!(!answer.contains(" 200 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_request_is_cut_off() {
    let served = serve(None).await;
    let start = Instant::now();
    let answer = exchange(served.address, b"GET /live HTTP/1.1\r\nX: ").await;
    assert_eq!(answer, "");
    assert!(start.elapsed() >= CONNECTION_LIMIT);
}

#[tokio::test(start_paused = true)]
async fn connections_are_bounded_and_the_rest_waits() {
    let limits = server::Limits {
        connections: 2,
        connection_time: CONNECTION_LIMIT,
    };
    let served = serve(Some(limits)).await;
    let start = Instant::now();
    let mut idle = Vec::new();
    for _ in 0..limits.connections {
        let stream = TcpStream::connect(served.address).await;
        idle.push(stream.expect("it listens"));
    }
    // Answered only when the first of the idle ones was cut off.
    let (status, ..) = request(served.address, "GET", "/live").await;
    assert_eq!(status, 200);
    assert!(start.elapsed() >= CONNECTION_LIMIT);
}

#[tokio::test]
async fn it_ends_when_cancelled_and_answers_what_it_began() {
    // Without a limit on connections, so that nothing but the token ends one.
    let limits = server::Limits {
        connection_time: Duration::MAX,
        ..server::Limits::default()
    };
    let served = serve(Some(limits)).await;
    let mut begun = TcpStream::connect(served.address)
        .await
        .expect("it listens");
    begun
        .write_all(b"GET /live HTTP/1.1\r\n")
        .await
        .expect("it reads");
    let mut idle = TcpStream::connect(served.address)
        .await
        .expect("it listens");
    // Connections are accepted in order: when this is answered, the others were accepted.
    request(served.address, "GET", "/live").await;

    served.shutdown.cancel.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    begun
        .write_all(b"Host: localhost\r\n\r\n")
        .await
        .expect("it reads");
    let answer = read_to_end(&mut begun).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    served.server.await.expect("no panic");
    assert!(TcpStream::connect(served.address).await.is_err());
}
