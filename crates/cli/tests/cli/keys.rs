//! `get`, `set` and `delete`.

use std::io::Write;

use crate::support::{Behaviour, Server, Session, nobody, run_at};
use quorate_cli::{Exit, Terminal};
use quorate_client::{OperationError, Reason};
use serde_json::json;

/// The versions of a fake: a counter, and an op id that never changes.
fn version(counter: u64) -> String {
    format!("{counter}-abababababababababababababababab")
}

const TERMINAL: Terminal = Terminal {
    output: true,
    errors: false,
    colours: false,
};

#[tokio::test]
async fn a_value_goes_in_and_comes_out_and_goes() {
    let server = Server::start();
    let set = server.run(&["set", "greeting", "hello"]).await;
    assert_eq!(set.exit, Exit::DONE);
    assert_eq!(set.text(), format!("ok, version {}\n", version(1)));
    let get = server.run(&["get", "greeting"]).await;
    assert_eq!(
        (get.exit, get.text()),
        (Exit::DONE, "hello"),
        "not a byte more"
    );
    let delete = server.run(&["delete", "greeting"]).await;
    assert_eq!(delete.text(), format!("ok, version {}\n", version(2)));
    let get = server.run(&["get", "greeting"]).await;
    assert_eq!((get.exit, get.text()), (Exit::NO_VALUE, ""));
    assert_eq!(get.errors, "quorate: greeting has no value\n");
}

#[tokio::test]
async fn scripts_read_json() {
    let server = Server::start();
    let none = server.run(&["get", "k", "-o", "json"]).await;
    assert_eq!(none.exit, Exit::NO_VALUE);
    assert_eq!(
        none.json(),
        json!({ "key": "k", "value": null, "version": null })
    );
    assert_eq!(none.errors, "");
    let set = server.run(&["set", "k", "grüß\n", "-o", "json"]).await;
    assert_eq!(set.json(), json!({ "key": "k", "version": version(1) }));
    let get = server.run(&["get", "k", "-o", "json"]).await;
    let expected = json!({ "key": "k", "value": "grüß\n", "version": version(1) });
    assert_eq!(get.json(), expected);
    server.run(&["delete", "k"]).await;
    let deleted = server.run(&["get", "k", "-o", "json"]).await;
    let expected = json!({ "key": "k", "value": null, "version": version(2) });
    assert_eq!(deleted.json(), expected);
}

#[tokio::test]
async fn bytes_pass_unchanged() {
    let server = Server::start();
    let bytes = b"\xff\x00\n\xfe".to_vec();
    let session = Session {
        input: bytes.clone(),
        ..Session::default()
    };
    let set = &["set", "--key-hex", "00ff", "-"];
    assert_eq!(
        run_at(&[server.address], set, session).await.exit,
        Exit::DONE
    );
    let get = server.run(&["get", "--key-hex", "00ff"]).await;
    assert_eq!(get.output, bytes);
    let get = server
        .run(&["get", "--key-hex", "00ff", "-o", "json"])
        .await;
    let expected =
        json!({ "key_base64": "AP8=", "value_base64": "/wAK/g==", "version": version(1) });
    assert_eq!(get.json(), expected);
}

#[tokio::test]
async fn a_value_may_be_a_file() {
    let server = Server::start();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"from a file\n").unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(
        server.run(&["set", "k", "--file", path]).await.exit,
        Exit::DONE
    );
    assert_eq!(server.run(&["get", "k"]).await.text(), "from a file\n");
    let missing = server.run(&["set", "k", "--file", "/nowhere/at/all"]).await;
    assert_eq!(missing.exit, Exit::FAILED);
    let expected = "quorate: cannot read /nowhere/at/all: No such file or directory (os error 2)\n";
    assert_eq!(missing.errors, expected);
}

#[tokio::test]
async fn a_terminal_gets_a_line_and_never_control_characters() {
    let server = Server::start();
    let session = || Session {
        terminal: TERMINAL,
        ..Session::default()
    };
    let get = &["get", "k"];
    server.run(&["set", "k", "hello"]).await;
    let shown = run_at(&[server.address], get, session()).await;
    assert_eq!((shown.text(), shown.errors.as_str()), ("hello\n", ""));
    server.run(&["set", "k", "red \x1b[31m"]).await;
    let shown = run_at(&[server.address], get, session()).await;
    assert_eq!(shown.text(), "red \\x1b[31m\n");
    let expected = "quorate: the value has 9 bytes, not all of them text, shown escaped; \
                    redirect the output to get them\n";
    assert_eq!(shown.errors, expected);
}

#[tokio::test]
async fn a_refused_connection_is_one_clear_line() {
    let nobody = nobody();
    let address = nobody.address;
    for command in [
        &["get", "k"][..],
        &["set", "k", "v"],
        &["delete", "k"],
        &["status"],
    ] {
        let ran = run_at(&[address], command, Session::default()).await;
        assert_eq!(ran.exit, Exit::FAILED);
        let expected = format!(
            "quorate: no coordinator can be reached at {address}: connection refused; is a \
             coordinator running? `quorate dev` starts one, --endpoint names another\n"
        );
        assert_eq!(ran.errors, expected, "{command:?}");
        assert_eq!(ran.text(), "");
    }
}

#[tokio::test]
async fn the_second_endpoint_serves_when_the_first_does_not() {
    let (server, dead) = (Server::start(), nobody());
    let (alive, dead) = (server.address, dead.address);
    for endpoints in [[dead, alive], [alive, dead]] {
        let set = run_at(&endpoints, &["set", "k", "v"], Session::default()).await;
        assert_eq!((set.exit, set.errors.as_str()), (Exit::DONE, ""));
    }
}

#[tokio::test]
async fn bad_keys_and_values_are_refused_with_their_limit() {
    let server = Server::start();
    let empty = server.run(&["get", ""]).await;
    assert_eq!(empty.exit, Exit::USAGE);
    let expected = "quorate: the key is not valid: it is empty; a key has 1 to 1024 bytes\n";
    assert_eq!(empty.errors, expected);
    let long = "k".repeat(1025);
    let long = server.run(&["set", &long, "v"]).await;
    assert_eq!(long.exit, Exit::USAGE);
    assert!(long.errors.contains("it has 1025 bytes"), "{}", long.errors);
    let large = server
        .run(&["set", "k", &"v".repeat(1024 * 1024 + 1)])
        .await;
    assert_eq!(large.exit, Exit::USAGE);
    let expected = "quorate: set refused: value: it has 1048577 bytes; the limit is 1048576\n";
    assert_eq!(large.errors, expected);
    let huge = server
        .run(&["set", "k", &"v".repeat(2 * 1024 * 1024)])
        .await;
    assert_eq!(huge.exit, Exit::USAGE);
    let expected = "quorate: set refused: message: it has more than 1310720 bytes; \
                    a value has up to 1048576\n";
    assert_eq!(huge.errors, expected);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_waited_for_no_longer_than_told() {
    let server = Server::start();
    server.register.behave(Behaviour::Hang);
    let get = server.run(&["get", "k", "--timeout", "200ms"]).await;
    assert_eq!(get.exit, Exit::FAILED);
    let expected = format!("quorate: get failed: {}: no answer within ", server.address);
    assert!(get.errors.starts_with(&expected), "{}", get.errors);
    for command in [&["set", "k", "v"][..], &["delete", "k"]] {
        let arguments = [command, &["--timeout", "200ms"]].concat();
        let ran = server.run(&arguments).await;
        assert_eq!(ran.exit, Exit::UNKNOWN);
        let expected = format!(
            "quorate: outcome unknown: the {} may or may not have taken effect, or may yet: {}: \
             no answer within ",
            command[0], server.address
        );
        assert!(ran.errors.starts_with(&expected), "{}", ran.errors);
    }
}

#[tokio::test]
async fn a_failure_says_whether_it_was_applied() {
    let server = Server::start();
    let message = "no quorum within 1950 ms: needed 2, received 1 in the read phase; \
                   replica-1: connection refused; replica-2: timed out";
    let mut error = OperationError::not_applied(Reason::TimestampsExhausted, message);
    error.details.insert("needed".into(), "2".into());
    server.register.behave(Behaviour::Fail(error.clone()));
    let set = server.run(&["set", "k", "v"]).await;
    assert_eq!(set.exit, Exit::FAILED);
    let expected = format!("quorate: set failed and was not applied: {message}\n");
    assert_eq!(set.errors, expected);
    let get = server.run(&["get", "k"]).await;
    assert_eq!(get.errors, format!("quorate: get failed: {message}\n"));

    error.applied = quorate_client::Applied::Maybe;
    error.reason = Reason::NoQuorum;
    server.register.behave(Behaviour::Fail(error));
    let set = server.run(&["set", "k", "v", "-o", "json"]).await;
    assert_eq!((set.exit, set.text()), (Exit::UNKNOWN, ""));
    let shown: serde_json::Value = serde_json::from_str(&set.errors).unwrap();
    let expected = json!({ "error": {
        "operation": "set",
        "reason": "NO_QUORUM",
        "applied": "MAYBE",
        "message": message,
        "details": {
            "needed": "2",
            "endpoint": server.address.to_string(),
            "attempts": "1",
        },
        "retry_after_ms": null,
    }});
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn without_quorum_a_write_is_surely_not_applied_whatever_its_timeout() {
    let message = "no quorum: needed 2, received 1; replica-1: connection refused";
    for command in [&["set", "q", "w"][..], &["delete", "q"]] {
        let server = Server::start();
        let error = OperationError::not_applied(Reason::NoQuorum, message);
        server.register.behave(Behaviour::FailLateThenHang(error));
        let ran = server.run(&[command, &["-t", "1500ms"]].concat()).await;
        let name = command[0];
        let expected = format!("quorate: {name} failed and was not applied: {message}\n");
        assert_eq!((ran.exit, ran.errors), (Exit::FAILED, expected));
    }
}

#[tokio::test]
async fn completions_are_for_this_program() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run_at(&[], &["completions", shell], Session::default()).await;
        assert_eq!(ran.exit, Exit::DONE);
        for word in ["quorate", "verify", "endpoint"] {
            assert!(ran.text().contains(word), "{shell}: {word}");
        }
    }
}
