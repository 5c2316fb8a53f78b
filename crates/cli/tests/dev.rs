//! `quorate dev` as a person meets it: a real process, its output, its mistakes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A running store; killed when dropped.
struct Dev {
    child: Child,
    register: SocketAddr,
    admin: SocketAddr,
    introduction: String,
}

impl Dev {
    fn start(data_dir: &Path, more: &[&str]) -> Self {
        Self::start_with(data_dir, more, |_| ())
    }

    fn start_with(data_dir: &Path, more: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let (register, admin) = (free_address(), free_address());
        let mut command = dev(data_dir, register, admin, more);
        change(&mut command);
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program is built");
        let mut introduction = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The introduction comes when the store is ready, and ends with how to stop it.
        for line in &mut lines {
            introduction += &line.unwrap();
            introduction.push('\n');
            if introduction.contains("Ctrl-C stops it") {
                break;
            }
        }
        Self {
            child,
            register,
            admin,
            introduction,
        }
    }

    /// Runs a client command against the store.
    fn quorate(&self, arguments: &[&str]) -> Output {
        let endpoint = format!("http://{}", self.register);
        let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
        command.args(arguments).args(["--endpoint", &endpoint]);
        command.output().unwrap()
    }

    /// What it serves on its admin port at this path.
    fn admin_page(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: dev\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
    }

    /// The sum of a metric over the series with this label.
    fn metric(&self, name: &str, label: &str) -> f64 {
        let page = self.admin_page("/metrics");
        let series = page.lines().filter(|line| line.starts_with(name));
        let values = series
            .filter(|line| line.contains(label))
            .filter_map(|line| line.rsplit_once(' '));
        values.map(|(_, value)| value.parse::<f64>().unwrap()).sum()
    }

    /// Ctrl-C; the exit code.
    fn stop(mut self) -> Option<i32> {
        let pid = Pid::from_raw(self.child.id() as i32).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn dev(data_dir: &Path, register: SocketAddr, admin: SocketAddr, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command
        .arg("dev")
        .arg(format!("--listen={register}"))
        .arg(format!("--admin-listen={admin}"))
        .arg("--data-dir")
        .arg(data_dir)
        .args(more)
        .stdin(Stdio::null());
    command
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// What a store that cannot start says: one line.
fn refusal(data_dir: &Path, more: &[&str]) -> String {
    let output = dev(data_dir, free_address(), free_address(), more)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error.lines().count(), 1, "{error}");
    error.trim_end().to_owned()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_restart_has_the_data_and_its_number_of_replicas() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = Dev::start(&data, &["--replicas", "5"]);
    for part in [
        "5 replicas",
        &store.register.to_string(),
        "quorate set",
        "/metrics",
    ] {
        assert!(store.introduction.contains(part), "{}", store.introduction);
    }
    assert!(
        store
            .quorate(&["set", "greeting", "hello"])
            .status
            .success()
    );
    assert_eq!(store.stop(), Some(0));

    let store = Dev::start(&data, &[]);
    assert_eq!(text(&store.quorate(&["get", "greeting"]).stdout), "hello");
    let status = store.quorate(&["status", "--output", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["members"].as_array().unwrap().len(), 5);
    assert_eq!(store.stop(), Some(0));

    let error = refusal(&data, &["--replicas", "3"]);
    assert_eq!(
        error,
        format!(
            "quorate: the store in {} has 5 replicas, not 3; leave --replicas out and use `quorate scale`, or use another --data-dir",
            data.display()
        )
    );
}

/// Whether the program is on the path or not, as after `cargo run`.
#[test]
fn what_it_says_to_try_works_as_typed() {
    let folder = tempfile::tempdir().unwrap();
    let own = Path::new(env!("CARGO_BIN_EXE_quorate"));
    let bin = folder.path().join("bin with a space");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(own, bin.join("quorate")).unwrap();
    // Another program of this name comes first on this path.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink("/bin/false", other.join("quorate")).unwrap();
    let paths = [vec![], vec![&bin], vec![&other, &bin]];
    for (at, path) in paths.into_iter().enumerate() {
        let folders = path.into_iter().map(|folder| folder.as_path());
        let folders = folders.chain([Path::new("/usr/bin"), Path::new("/bin")]);
        let path = std::env::join_paths(folders).unwrap();
        let data = folder.path().join(at.to_string());
        let store = Dev::start_with(&data, &["--replicas=1"], |dev| {
            dev.env("PATH", &path);
        });
        assert!(
            store.introduction.contains(": 1 replica and"),
            "{}",
            store.introduction
        );
        let lines = store.introduction.lines();
        let commands: Vec<_> = lines.filter(|line| line.contains("greeting")).collect();
        let typed = |line: &str| {
            let mut shell = Command::new("/bin/sh");
            shell.env("PATH", &path).args(["-c", line.trim()]);
            shell.output().unwrap()
        };
        let [set, get] = commands[..] else {
            panic!("{}", store.introduction);
        };
        assert_eq!(set.starts_with("  quorate "), at == 1, "{set}");
        assert!(typed(set).status.success(), "{set}");
        assert_eq!(text(&typed(get).stdout), "hello", "{get}");
        assert_eq!(store.stop(), Some(0));
    }
}

#[test]
fn ctrl_c_ends_it_although_a_client_is_connected_and_silent() {
    let folder = tempfile::tempdir().unwrap();
    let store = Dev::start(&folder.path().join("data"), &["--replicas", "1"]);
    let connection = TcpStream::connect(store.register).unwrap();
    assert_eq!(store.stop(), Some(0));
    drop(connection);
}

#[test]
fn a_port_in_use_is_named_and_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = dev(&data, address, free_address(), &[]).output().unwrap();
    let expected = format!(
        "quorate: cannot listen on {address}: the port is in use; choose another with --listen\n"
    );
    assert_eq!(text(&output.stderr), expected);
    assert!(!data.exists());
}

#[test]
fn a_folder_in_use_is_named_with_its_user() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = Dev::start(&data, &["--replicas", "1"]);
    let error = refusal(&data, &[]);
    let pid = store.child.id();
    let expected = format!(
        "quorate: {} is in use by process {pid}",
        data.join("replica-0").display()
    );
    assert_eq!(error, expected);
    assert_eq!(store.stop(), Some(0));
}

/// As a supervisor ends it, which a container's first process would not even notice by itself.
#[tokio::test]
async fn a_verification_that_is_told_to_end_judges_what_it_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let store = Dev::start(&folder.path().join("data"), &["--replicas", "1"]);
    let endpoint = format!("http://{}", store.register);
    let verification = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(["verify", "--endpoint", &endpoint, "--duration", "1h"])
        .args(["--output", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let has_set = || {
        let metrics = store.admin_page("/metrics");
        let sets = r#"quorate_operations_total{operation="set",outcome="ok"} "#;
        let mut sets = metrics.lines().filter_map(|line| line.strip_prefix(sets));
        sets.next().is_some_and(|count| count != "0")
    };
    while !has_set() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let pid = Pid::from_raw(verification.id() as i32).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = verification.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "linearizable");
    assert!(report["ok"].as_u64() > Some(0), "{report}");
    assert_eq!(store.stop(), Some(0));
}

#[test]
fn folders_of_two_stores_mixed_up_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    for data in [&one, &other] {
        assert_eq!(Dev::start(data, &[]).stop(), Some(0));
    }
    std::fs::remove_dir_all(one.join("replica-1")).unwrap();
    std::fs::rename(other.join("replica-1"), one.join("replica-1")).unwrap();
    let error = refusal(&one, &[]);
    assert!(
        error.contains("replica-1 belongs to another cluster"),
        "{error}"
    );
}

#[test]
fn a_folder_of_a_newer_program_or_of_somebody_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("config.json"), r#"{"format": 2}"#).unwrap();
    let error = refusal(&data, &[]);
    assert!(
        error.ends_with("config.json: it has format 2; this program reads up to 1"),
        "{error}"
    );

    let data = folder.path().join("letters");
    std::fs::create_dir_all(data.join("replica-0")).unwrap();
    std::fs::write(data.join("replica-0/letter.txt"), "Dear ...").unwrap();
    let error = refusal(&data, &[]);
    assert!(
        error.contains("replica-0") && error.contains("letter.txt"),
        "{error}"
    );
    assert_eq!(
        std::fs::read(data.join("replica-0/letter.txt")).unwrap(),
        b"Dear ..."
    );
}

#[test]
fn a_lost_config_file_is_made_up_for_by_the_replicas() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = Dev::start(&data, &[]);
    assert!(
        store
            .quorate(&["set", "greeting", "hello"])
            .status
            .success()
    );
    assert_eq!(store.stop(), Some(0));
    std::fs::remove_file(data.join("config.json")).unwrap();
    let store = Dev::start(&data, &[]);
    assert_eq!(text(&store.quorate(&["get", "greeting"]).stdout), "hello");
}

#[test]
fn one_lost_replica_folder_is_a_stranger_and_the_others_serve() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = Dev::start(&data, &[]);
    assert!(
        store
            .quorate(&["set", "greeting", "hello"])
            .status
            .success()
    );
    assert_eq!(store.stop(), Some(0));
    std::fs::remove_dir_all(data.join("replica-2")).unwrap();
    let store = Dev::start(&data, &[]);
    assert_eq!(text(&store.quorate(&["get", "greeting"]).stdout), "hello");
    let status = store.quorate(&["status"]);
    let status = text(&status.stdout);
    assert!(status.contains("2 of 3 members"), "{status}");
    assert!(status.contains("a stranger"), "{status}");
}

#[test]
fn an_old_copy_of_a_folder_is_noticed_and_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let (disk, copy) = (store.join("replica-1"), folder.path().join("copy"));
    let rename = |from: &Path, to: &Path| std::fs::rename(from, to).unwrap();
    Dev::start(&store, &[]).stop();
    let copied = Command::new("cp").arg("-r").args([&disk, &copy]).status();
    assert!(copied.unwrap().success());
    // It is a member in the meantime, and what it acknowledges the copy lacks.
    let dev = Dev::start(&store, &[]);
    assert!(dev.quorate(&["set", "k", "new"]).status.success());
    dev.stop();
    rename(&disk, &folder.path().join("newer"));
    rename(&copy, &disk);

    let piped = |command: &mut Command| {
        command.stderr(Stdio::piped());
    };
    let mut dev = Dev::start_with(&store, &[], piped);
    let lines = BufReader::new(dev.child.stderr.take().unwrap()).lines();
    let (found, finds) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if line.contains("the disk is an old copy") {
                let _ = found.send(line);
            }
        }
    });
    let line = finds.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(line.contains("replica-1"), "{line}");
    assert!(
        line.contains("boot 2 was counted, and it knows boots up to 1"),
        "{line}"
    );
    let got = dev.quorate(&["get", "k"]);
    assert_eq!(text(&got.stdout).trim(), "new");
}

#[tokio::test]
async fn old_copies_of_all_folders_stop_everything_and_the_command_that_accepts_them_is_named() {
    const ACCEPT: &str = "--accept-restored-disks";
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let disks = ["replica-0", "replica-1", "replica-2"];
    let dev = Dev::start(&store, &[]);
    assert!(dev.quorate(&["set", "k", "old"]).status.success());
    dev.stop();
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-r").args([from, to]).status();
        assert!(copied.unwrap().success());
    };
    for disk in disks {
        copy(&store.join(disk), &folder.path().join(disk));
    }
    let dev = Dev::start(&store, &[]);
    assert!(dev.quorate(&["set", "k", "new"]).status.success());
    dev.stop();
    for disk in disks {
        std::fs::remove_dir_all(store.join(disk)).unwrap();
        copy(&folder.path().join(disk), &store.join(disk));
    }

    let mut dev = Dev::start_with(&store, &[], |command| {
        command.stderr(Stdio::piped());
    });
    let mut log = dev.child.stderr.take().unwrap();
    let all = "replica-0,replica-1,replica-2";
    let command = format!("quorate recover {ACCEPT} {all}`");
    let said = |arguments: &[&str], what: &str| text(&dev.quorate(arguments).stdout).contains(what);
    let within_a_minute = async |arguments: &[&str], what: &str| {
        for _ in 0..300 {
            if said(arguments, what) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        false
    };
    let named = within_a_minute(&["status"], &command).await;
    assert!(named, "{:?}", dev.quorate(&["status"]));
    assert!(
        !dev.quorate(&["get", "k", "--timeout", "200ms"])
            .status
            .success()
    );
    let refused = dev.quorate(&["recover"]);
    assert!(text(&refused.stderr).contains(&command), "{refused:?}");
    let accepted = dev.quorate(&["recover", ACCEPT, all]);
    assert!(accepted.status.success(), "{accepted:?}");
    // What was written after the copies is lost, as the command says.
    let serves = within_a_minute(&["get", "k"], "old").await;
    assert!(serves, "{:?}", dev.quorate(&["status"]));
    dev.stop();
    // The log had it too, each field once.
    let mut said = String::new();
    log.read_to_string(&mut said).unwrap();
    assert!(said.contains(&command), "{said}");
    for line in said.lines() {
        serde_json::from_str::<Value>(line).unwrap();
        assert_eq!(line.matches("\"message\":").count(), 1, "{line}");
    }
}

#[tokio::test]
async fn operations_are_traced_and_a_collector_that_is_away_holds_up_nothing() {
    const SPANS: &str = "quorate_trace_spans_total";
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there.
    let collector = format!("http://{}", free_address());
    let flags = ["--trace-endpoint", &collector, "--trace-share", "1"];
    let store = Dev::start_with(&folder.path().join("data"), &flags, |command| {
        // Spans are sent soon; the library's own variable.
        command.env("OTEL_BSP_SCHEDULE_DELAY", "50");
    });
    assert!(
        store
            .quorate(&["set", "greeting", "hello"])
            .status
            .success()
    );
    assert_eq!(text(&store.quorate(&["get", "greeting"]).stdout), "hello");
    // A Set, its two phases, and a majority's attempts and requests in each, at least.
    let enough = async {
        while store.metric(SPANS, "not_taken") < 11.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), enough);
    waited.await.expect("too few spans");
    assert_eq!(store.metric(SPANS, "sent"), 0.0);
    assert_eq!(store.stop(), Some(0));
}

/// Whoever asked may have left before all replicas were opened; they are there all the same, once.
#[test]
fn a_scale_that_nobody_waits_for_leaves_nothing_half_done() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), &[]);
    for timeout in ["1ms", "5ms", "20ms"] {
        // It may be quick enough.
        dev.quorate(&["scale", "5", "--timeout", timeout, "--no-wait"]);
    }
    let scaled = dev.quorate(&["scale", "5"]);
    assert!(scaled.status.success(), "{}", text(&scaled.stderr));
}
