//! The status page of `quorate dev` as a browser shows it.
//!
//! Chromium renders it without a window, as wide as a phone. What it made of the HTML must say
//! how the store is; the picture stays in the target folder for people to look at. Without
//! Chromium the test says that it is skipped.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The width of a small phone, in CSS pixels.
const WIDTH: u32 = 390;
const HEIGHT: u32 = 1400;

/// A process that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn chromium() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| {
            let version = Command::new(name).arg("--version").output();
            version.is_ok_and(|output| output.status.success())
        })
}

/// What the browser prints when it does this with the page.
fn browse(browser: &str, profile: &Path, url: &str, action: &str) -> String {
    let output = Command::new(browser)
        // As root, as in containers, its sandbox cannot be set up; it reads our own page only.
        .args(["--headless=new", "--no-sandbox", "--disable-gpu"])
        .args(["--disable-dev-shm-usage", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={WIDTH},{HEIGHT}"))
        .args([action, url])
        .output()
        .expect("it was found before");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{browser} failed: {errors}");
    String::from_utf8(output.stdout).expect("HTML is UTF-8")
}

/// Width and height in the header of a PNG file.
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"), "not a PNG");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    (number(16), number(20))
}

/// A store in `folder`, and the address of its status page.
fn dev(folder: &Path) -> (Running, String) {
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let (register, admin) = (free().expect("a port"), free().expect("a port"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_quorate"))
        .arg("dev")
        .args(["--data-dir", folder.to_str().expect("UTF-8")])
        .args(["--listen", &register.to_string()])
        .args(["--admin-listen", &admin.to_string()])
        // What is lost stays lost until the page was looked at.
        .args(["--swap-delay", "1h"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program is built");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let running = Running(child);
    // It says how to stop it last, once it serves.
    let mut lines = lines.map(|line| line.expect("text"));
    assert!(lines.any(|line| line.contains("Ctrl-C stops it")));
    (running, format!("http://{admin}/"))
}

#[test]
fn a_browser_shows_the_members_on_a_screen_as_wide_as_a_phone() {
    let Some(browser) = chromium() else {
        let needed = std::env::var("QUORATE_NEED_TOOLS").unwrap_or_default();
        assert!(!needed.contains("chromium"), "Chromium is needed");
        eprintln!("*** SKIPPED: the status page in a browser: Chromium is not installed");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (store, profile) = (folder.path().join("store"), folder.path().join("profile"));
    let (running, url) = dev(&store);
    let shown = browse(browser, &profile, &url, "--dump-dom");
    assert!(shown.contains("healthy: all 3 members serve"), "{shown}");
    for column in ["State", "Epoch", "Answered in", "Repair"] {
        let cells = shown.matches(&format!("data-column=\"{column}\"")).count();
        assert_eq!(cells, 3, "{column}: {shown}");
    }
    assert!(shown.contains("none since it started"), "{shown}");
    let picture = |name: &str, url: &str| {
        let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let action = format!("--screenshot={}", picture.display());
        browse(browser, &profile, url, &action);
        let bytes = std::fs::read(&picture).expect("the browser wrote it");
        assert_eq!(png_size(&bytes), (WIDTH, HEIGHT));
        eprintln!("the status page: {}", picture.display());
    };
    picture("status-page.png", &url);
    drop(running);

    // One disk is lost: which, and since when, is on the page.
    std::fs::remove_dir_all(store.join("replica-2")).expect("it was there");
    let (_running, url) = dev(&store);
    let shown = (0..60).map(|_| browse(browser, &profile, &url, "--dump-dom"));
    let mut shown = shown.filter(|shown| shown.contains("the member does not answer"));
    let shown = shown
        .next()
        .expect("the page says it among the recent errors");
    assert!(shown.contains("2 of 3 members"), "{shown}");
    assert!(shown.contains("a stranger with replica id"), "{shown}");
    picture("status-page-degraded.png", &url);
}
