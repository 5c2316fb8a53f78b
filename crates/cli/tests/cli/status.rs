//! `status`, as a user and a script see it.

use crate::support::{Behaviour, Server, Session, nobody, run_at};
use quorate_cli::{Exit, Terminal};
use quorate_client::{MemberStatus, OperationError, Reason, StatusResponse};
use serde_json::json;

fn member(number: usize, problem: Option<&str>) -> MemberStatus {
    MemberStatus {
        pod: format!("replica-{number}"),
        replica_id: format!("{number:032x}").replace('0', "a"),
        address: Some(format!("127.0.0.1:741{number}")),
        current: true,
        next: false,
        reachable: problem.is_none(),
        problem: problem.unwrap_or_default().to_owned(),
        epoch: "4".to_owned(),
        keys: 1024 * number as u64,
        latency_us: 310 * number as u64,
        refuses_writes: false,
        lag_buckets: Some(0),
    }
}

fn status(problems: [Option<&str>; 3]) -> StatusResponse {
    let members = problems.iter().zip(1..);
    StatusResponse {
        version: "0.1.0".to_owned(),
        cluster_id: "c".repeat(32),
        config_id: "d".repeat(32),
        epoch: "4".to_owned(),
        joint: false,
        members: members
            .map(|(problem, number)| member(number, *problem))
            .collect(),
        operations_in_flight: 12,
        problem: String::new(),
        membership: None,
    }
}

#[tokio::test]
async fn a_healthy_store_at_a_glance() {
    let server = Server::start();
    server.register.set_status(status([None; 3]));
    let ran = server.run(&["status"]).await;
    assert_eq!((ran.exit, ran.errors.as_str()), (Exit::DONE, ""));
    let expected = format!(
        "\
healthy: 3 of 3 members reachable, 1 more may be lost

cluster   cccccccccccccccccccccccccccccccc
config    dddddddddddddddddddddddddddddddd, epoch 4
seen by   {}, version 0.1.0, 12 operations in flight

MEMBER     ADDRESS         REPLICA ID  EPOCH   KEYS  ANSWER  REPAIR   STATE
replica-1  127.0.0.1:7411  aaaaaaaa        4  1,024  310 µs  in step  ok
replica-2  127.0.0.1:7412  aaaaaaaa        4  2,048  620 µs  in step  ok
replica-3  127.0.0.1:7413  aaaaaaaa        4  3,072  930 µs  in step  ok
",
        server.address
    );
    assert_eq!(ran.text(), expected);
}

#[tokio::test]
async fn a_member_that_is_missing_is_shown_with_the_reason() {
    let server = Server::start();
    let refused = Some("connection refused");
    server.register.set_status(status([None, refused, None]));
    let ran = server.run(&["status"]).await;
    assert_eq!(ran.exit, Exit::DONE, "operations succeed");
    let lines: Vec<_> = ran.text().lines().collect();
    assert_eq!(
        lines[0],
        "degraded: 2 of 3 members reachable, no more may be lost"
    );
    let expected = "replica-2  127.0.0.1:7412  aaaaaaaa        -      -       -  -        unreachable: connection refused";
    assert_eq!(lines[8], expected);
}

#[tokio::test]
async fn a_member_that_lacks_writes_is_shown_as_behind() {
    let server = Server::start();
    let mut behind = status([None; 3]);
    behind.members[1].lag_buckets = Some(4);
    behind.members[2].lag_buckets = None;
    server.register.set_status(behind);
    let ran = server.run(&["status"]).await;
    let lines: Vec<_> = ran.text().lines().collect();
    assert!(
        lines[8].ends_with("620 µs  lacks 4 buckets  ok"),
        "{}",
        lines[8]
    );
    assert!(
        lines[9].ends_with("930 µs  not known        ok"),
        "{}",
        lines[9]
    );
    let json = server.run(&["status", "-o", "json"]).await.json();
    assert_eq!(json["members"][1]["lag_buckets"], 4);
    assert_eq!(json["members"][2]["lag_buckets"], serde_json::Value::Null);
}

#[tokio::test]
async fn no_quorum_is_an_exit_code() {
    let server = Server::start();
    let silent = Some("no answer within 2s");
    server.register.set_status(status([silent, None, silent]));
    let ran = server.run(&["status"]).await;
    assert_eq!(ran.exit, Exit::NO_QUORUM);
    let expected = "no quorum: 1 of 3 members reachable, and 2 are needed: operations fail";
    assert_eq!(ran.text().lines().next(), Some(expected));
}

#[tokio::test]
async fn members_whose_disk_is_full_are_told_of_at_once() {
    let server = Server::start();
    let mut full = status([None; 3]);
    let problem = "its disk is nearly full: it refuses writes";
    let fill = |status: &mut StatusResponse, at: usize| {
        status.members[at].problem = problem.to_owned();
        status.members[at].refuses_writes = true;
    };
    fill(&mut full, 1);
    server.register.set_status(full.clone());
    let ran = server.run(&["status"]).await;
    assert_eq!(ran.exit, Exit::DONE, "two of three take writes");
    let expected =
        format!("degraded: 3 of 3 members reachable, no more may be lost; replica-2: {problem}");
    assert_eq!(ran.text().lines().next(), Some(expected.as_str()));

    fill(&mut full, 2);
    server.register.set_status(full);
    let ran = server.run(&["status"]).await;
    assert_eq!(ran.exit, Exit::NO_QUORUM);
    let expected = format!(
        "read-only: 3 of 3 members reachable, 1 of 3 members take writes, and 2 are needed: \
         sets and deletes fail; replica-2: {problem}; replica-3: {problem}"
    );
    assert_eq!(ran.text().lines().next(), Some(expected.as_str()));
    let json = server.run(&["status", "-o", "json"]).await.json();
    assert_eq!(json["health"], "read_only");
    assert_eq!(json["may_be_lost"], 0);
}

#[tokio::test]
async fn before_the_bootstrap_the_first_line_says_what_to_do() {
    let servers = [Server::start(), Server::start()];
    let problem = "no replica has a config yet: run `quorate bootstrap`";
    let version = || StatusResponse {
        version: "0.1.0".to_owned(),
        problem: problem.to_owned(),
        ..StatusResponse::default()
    };
    for server in &servers {
        server.register.set_status(version());
    }
    let ran = servers[0].run(&["status"]).await;
    assert_eq!(ran.exit, Exit::NO_QUORUM);
    let expected = format!(
        "not ready: {problem}\n\n\
         seen by   {}, version 0.1.0, 0 operations in flight\n",
        servers[0].address
    );
    assert_eq!(ran.text(), expected);
    let json = servers[0].run(&["status", "-o", "json"]).await.json();
    assert_eq!(json["health"], "not_ready");

    // A coordinator that did not learn of the store yet does not hide it.
    servers[1].register.set_status(status([None; 3]));
    let addresses = servers.each_ref().map(|server| server.address);
    let ran = run_at(&addresses, &["status"], Session::default()).await;
    assert_eq!(ran.exit, Exit::DONE);
    assert!(ran.text().starts_with("healthy: "), "{}", ran.text());
}

#[tokio::test]
async fn scripts_read_json() {
    let server = Server::start();
    server
        .register
        .set_status(status([None, Some("timed out"), None]));
    let ran = server.run(&["status", "--output", "json"]).await;
    let json = ran.json();
    assert_eq!(json["health"], "degraded");
    assert_eq!(json["may_be_lost"], 0);
    assert_eq!(json["epoch"], "4");
    let expected = json!({
        "pod": "replica-2",
        "replica_id": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa2",
        "address": "127.0.0.1:7412",
        "current": true,
        "next": false,
        "reachable": false,
        "problem": "timed out",
        "epoch": "4",
        "keys": 2048,
        "latency_us": 620,
        "lag_buckets": 0,
        "refuses_writes": false,
    });
    assert_eq!(json["members"][1], expected);
    assert_eq!(json["members"][0]["problem"], json!(null));
    assert_eq!(
        json["coordinators"][0]["endpoint"],
        server.address.to_string()
    );
}

#[tokio::test]
async fn every_coordinator_is_asked() {
    let (server, nobody) = (Server::start(), nobody());
    let dead = nobody.address;
    server.register.set_status(status([None; 3]));
    let ran = run_at(&[dead, server.address], &["status"], Session::default()).await;
    assert_eq!(ran.exit, Exit::DONE);
    let lines: Vec<_> = ran.text().lines().collect();
    let expected = "healthy: 3 of 3 members reachable, 1 more may be lost; \
                    1 of 2 coordinators gave no answer";
    assert_eq!(lines[0], expected);
    let expected: Vec<_> = [
        "COORDINATOR EPOCH IN FLIGHT STATE".to_owned(),
        format!("{dead} - - connection refused"),
        format!("{} 4 12 ok", server.address),
    ]
    .to_vec();
    let words = |line: &&str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(lines[11..].iter().map(words).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn when_no_coordinator_answers_each_is_named() {
    let (not_ready, nobody) = (Server::start(), nobody());
    let dead = nobody.address;
    let error = OperationError::not_applied(Reason::NotReady, "no active config is known yet");
    not_ready.register.behave(Behaviour::Fail(error));
    let arguments = ["status", "--timeout", "300ms"];
    let endpoints = [not_ready.address, dead];
    let ran = run_at(&endpoints, &arguments, Session::default()).await;
    assert_eq!(ran.exit, Exit::FAILED);
    let expected = format!(
        "quorate: status failed: no coordinator says how the store is: {}: no active config is \
         known yet; {dead}: connection refused\n",
        not_ready.address
    );
    assert_eq!(ran.errors, expected);
}

#[tokio::test]
async fn members_being_changed_are_shown_by_group() {
    let server = Server::start();
    let mut joint = status([None; 3]);
    joint.joint = true;
    joint.members[1].next = true;
    joint.members[2].next = true;
    joint.members[2].epoch = "3".to_owned();
    joint.members.push(MemberStatus {
        current: false,
        next: true,
        ..member(4, None)
    });
    server.register.set_status(joint);
    let ran = server.run(&["status"]).await;
    let text = ran.text();
    let expected = "healthy: 3 of 3 members of the current group and 3 of 3 members of the next \
                    group reachable, 1 more may be lost\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains("epoch 4, members are being changed\n"),
        "{text}"
    );
    for (pod, group) in [("1", "current"), ("2", "both"), ("4", "next")] {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("replica-{pod}")));
        let line = line.expect("it is listed");
        assert_eq!(line.split_whitespace().nth(3), Some(group), "{line}");
    }
}

#[tokio::test]
async fn colours_are_for_terminals_that_want_them() {
    let server = Server::start();
    server.register.set_status(status([None; 3]));
    let terminal = Terminal {
        output: true,
        errors: true,
        colours: true,
    };
    let session = Session {
        terminal,
        ..Session::default()
    };
    let ran = run_at(&[server.address], &["status"], session).await;
    assert!(
        ran.text().starts_with("\x1b[32mhealthy\x1b[0m: "),
        "{}",
        ran.text()
    );
    assert!(!server.run(&["status"]).await.text().contains('\x1b'));
}
