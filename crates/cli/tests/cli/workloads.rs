//! `bench` and `verify`.

use std::fs;
use std::path::PathBuf;

use crate::support::{Behaviour, Server, Session, nobody, run_at};
use quorate_cli::Exit;
use quorate_client::{OperationError, Reason};

/// A quick measurement.
const QUICK: [&str; 5] = [
    "bench",
    "--duration=200ms",
    "--warmup=10ms",
    "--keys=10",
    "-o",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_bench_measures_each_cell() {
    let server = Server::start();
    let own = std::process::id().to_string();
    let arguments = [
        &QUICK[..],
        &["json", "--concurrency=1,4", "--operations=set,get,mixed"],
        &["--server-pid", &own],
    ];
    let ran = server.run(&arguments.concat()).await;
    assert_eq!((ran.exit, ran.errors.as_str()), (Exit::DONE, ""));
    let json = ran.json();
    let measurements = json["measurements"].as_array().unwrap();
    let cells: Vec<_> = measurements
        .iter()
        .map(|cell| {
            (
                cell["operation"].as_str().unwrap(),
                cell["in_flight"].as_u64().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("set", 1),
        ("set", 4),
        ("get", 1),
        ("get", 4),
        ("mixed", 1),
        ("mixed", 4),
    ];
    assert_eq!(cells, expected);
    for cell in measurements {
        assert!(cell["operations"].as_u64().unwrap() > 0, "{cell}");
        assert_eq!(cell["errors"].as_array().unwrap().len(), 0);
        assert!(cell["server_cpu_us_per_operation"].is_number(), "{cell}");
        let operation = cell["operation"].as_str().unwrap();
        for (kind, other) in [("set", "get"), ("get", "set")] {
            let latency = &cell[format!("{kind}_latency_us")];
            assert_eq!(latency.is_null(), operation == other, "{cell}");
            if latency.is_object() {
                let us = |name: &str| latency[name].as_f64().unwrap();
                assert!(0.0 < us("p50") && us("p50") <= us("p99") && us("p99") <= us("max"));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bench_is_a_table_for_people() {
    let server = Server::start();
    let arguments = [
        &QUICK[..],
        &["text", "-c", "2", "--operations", "set,mixed"],
    ];
    let ran = server.run(&arguments.concat()).await;
    assert_eq!((ran.exit, ran.errors.as_str()), (Exit::DONE, ""));
    let lines: Vec<_> = ran.text().lines().collect();
    let expected = format!(
        "10 keys, values of 64 bytes, 0.2 s each after 0.0 s of warm-up, closed loop at {}.",
        server.address
    );
    assert_eq!(lines[0], expected);
    let titles = "OPERATION  IN FLIGHT  PER SECOND      P50      P90      P99    P99.9      MAX  \
                  CLIENT CPU  SERVER CPU  ERRORS";
    assert_eq!(lines[3], titles);
    let first = |line: &&str| line.chars().take(20).collect::<String>();
    let firsts: Vec<_> = lines[4..].iter().map(first).collect();
    let expected = [
        "set                2",
        "mixed set          2",
        "mixed get           ",
    ];
    assert_eq!(firsts, expected);
    assert!(lines[4].ends_with("none"), "{}", lines[4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bench_sees_refused_is_counted_and_not_retried() {
    let server = Server::start();
    let error = OperationError::not_applied(Reason::Overloaded, "too much to do");
    server.register.behave(Behaviour::FailButStatus(error));
    let arguments = ["bench", "--duration=100ms", "--warmup=100ms", "--keys=1"];
    let arguments = [
        &arguments[..],
        &["-c", "1", "--operations=set", "-o", "json"],
    ]
    .concat();
    let ran = server.run(&arguments).await;
    assert_eq!(ran.exit, Exit::FAILED, "nothing succeeded");
    let errors = &ran.json()["measurements"][0]["errors"];
    assert_eq!(errors[0]["reason"], "OVERLOADED");
    assert_eq!(errors[0]["applied"], "NO");
    assert!(errors[0]["count"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bench_stops_after_a_measurement_that_finds_no_store() {
    for reason in [Reason::NoQuorum, Reason::Unreachable, Reason::NotReady] {
        let server = Server::start();
        let error = OperationError::not_applied(reason, "needed 2, received 1");
        server.register.behave(Behaviour::FailButStatus(error));
        let arguments = [
            &QUICK[..],
            &["json", "--concurrency=1,4", "--operations=set"],
        ];
        let ran = server.run(&arguments.concat()).await;
        assert_eq!(ran.exit, Exit::FAILED);
        let measurements = &ran.json()["measurements"];
        assert_eq!(measurements.as_array().unwrap().len(), 1, "{measurements}");
        let shown: serde_json::Value = serde_json::from_str(&ran.errors).unwrap();
        let message = shown["error"]["message"].as_str().unwrap();
        let expected = "bench stopped: no set with 1 in flight succeeded: ";
        assert!(message.starts_with(expected), "{message}");
        assert!(message.contains("needed 2, received 1"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_among_successes_are_shown_and_fail_no_bench() {
    let server = Server::start();
    let error = OperationError::not_applied(Reason::NoQuorum, "needed 2, received 1");
    server.register.behave(Behaviour::FailEverySecond(error));
    let arguments = [&QUICK[..], &["text", "-c", "1,2", "--operations=set"]];
    let ran = server.run(&arguments.concat()).await;
    assert_eq!((ran.exit, ran.errors.as_str()), (Exit::DONE, ""));
    let lines: Vec<_> = ran.text().lines().collect();
    assert_eq!(lines.len(), 6, "both were measured: {lines:?}");
    for line in &lines[4..] {
        assert!(line.ends_with(" NO_QUORUM"), "{line}");
    }
}

#[tokio::test]
async fn workloads_say_at_once_that_nobody_is_there() {
    for command in [&["bench"][..], &["verify"]] {
        let nobody = nobody();
        let address = nobody.address;
        let ran = run_at(&[address], command, Session::default()).await;
        assert_eq!((ran.exit, ran.text()), (Exit::FAILED, ""));
        let expected =
            format!("quorate: no coordinator can be reached at {address}: connection refused;");
        assert!(ran.errors.starts_with(&expected), "{}", ran.errors);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_linearizable_store_passes_in_one_line() {
    let server = Server::start();
    let arguments = [
        "verify",
        "--operations",
        "500",
        "--clients",
        "4",
        "--keys",
        "2",
    ];
    let ran = server.run(&arguments).await;
    assert_eq!((ran.exit, ran.errors.as_str()), (Exit::DONE, ""));
    let text = ran.text();
    let expected = "linearizable: 500 operations by 4 clients on 2 keys in ";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with(" s, 0 failed, 0 unknown\n"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_ends_a_run_too() {
    let server = Server::start();
    let ran = server
        .run(&["verify", "--duration", "200ms", "-o", "json"])
        .await;
    assert_eq!(ran.exit, Exit::DONE);
    let json = ran.json();
    assert_eq!(json["verdict"], "linearizable");
    assert_eq!((&json["clients"], &json["keys"]), (&8.into(), &5.into()));
    assert!(json["ok"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_read_is_found_and_explained_and_kept() {
    let server = Server::start();
    server.register.behave(Behaviour::ReadStale);
    let folder = tempfile::tempdir().unwrap();
    let history: PathBuf = folder.path().join("history.jsonl");
    let path = history.to_str().unwrap();
    let arguments = [
        "verify",
        "--operations",
        "300",
        "--history",
        path,
        "--seed",
        "7",
    ];
    let ran = server.run(&arguments).await;
    assert_eq!(ran.exit, Exit::VIOLATION);
    let lines: Vec<_> = ran.text().lines().collect();
    assert!(
        lines[0].starts_with("NOT LINEARIZABLE: 300 operations by 8 clients"),
        "{lines:?}"
    );
    assert!(lines.len() > 3, "{lines:?}");
    assert!(lines[1].starts_with("key \"quorate-verify-"), "{lines:?}");
    let expected = format!("the history is in {path}; the requests are those of --seed 7");
    assert_eq!(lines.last(), Some(&expected.as_str()));
    assert_eq!(fs::read_to_string(&history).unwrap().lines().count(), 300);

    // The file says the same, without any store.
    let ran = run_at(&[], &["verify", "--check", path], Session::default()).await;
    assert_eq!(ran.exit, Exit::VIOLATION);
    assert!(
        ran.text()
            .starts_with("NOT LINEARIZABLE: 300 operations by 8 clients on ")
    );
    assert!(ran.text().contains(lines[1]), "{}", ran.text());
    let ran = run_at(
        &[],
        &["verify", "--check", path, "-o", "json"],
        Session::default(),
    )
    .await;
    assert_eq!(ran.json()["verdict"], "violation");
    assert!(ran.json()["witness"].as_str().unwrap().contains("client"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_do_not_confuse_each_other() {
    let server = Server::start();
    for _ in 0..2 {
        let ran = server
            .run(&["verify", "--operations", "100", "--seed", "1"])
            .await;
        assert_eq!(ran.exit, Exit::DONE, "{}", ran.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_succeeded_is_nothing_verified() {
    let server = Server::start();
    server.register.behave(Behaviour::Hang);
    let arguments = [
        "verify",
        "--operations",
        "1",
        "--timeout",
        "100ms",
        "--clients",
        "1",
    ];
    let ran = server.run(&arguments).await;
    assert_eq!(ran.exit, Exit::FAILED);
    let text = ran.text();
    assert!(
        text.starts_with("nothing verified: 1 operation by 1 client on 5 keys in "),
        "{text}"
    );
    assert!(text.contains("(DEADLINE_EXCEEDED 1)"), "{text}");
    let last = text.lines().last().unwrap();
    let expected = format!("the last error: {}: no answer within ", server.address);
    assert!(last.starts_with(&expected), "{last}");
}

#[tokio::test]
async fn a_history_that_cannot_be_read_is_named() {
    let check = async |path: &str| {
        let ran = run_at(&[], &["verify", "--check", path], Session::default()).await;
        assert_eq!((ran.exit, ran.text()), (Exit::FAILED, ""));
        ran.errors
    };
    let expected =
        "quorate: cannot read the history /nowhere/h: No such file or directory (os error 2)\n";
    assert_eq!(check("/nowhere/h").await, expected);
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "{\"client\":1}\n").unwrap();
    let path = file.path().to_str().unwrap();
    let errors = check(path).await;
    let expected = format!("quorate: cannot read the history {path}: line 1: ");
    assert!(errors.starts_with(&expected), "{errors}");
}
