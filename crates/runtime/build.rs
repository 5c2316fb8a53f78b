//! Tells release builds which git commit was checked out.

use std::path::Path;
use std::process::Command;

const VARIABLE: &str = "QUORATE_REVISION";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    // Whoever builds from an archive says it. A debug build does not ask git: each commit would
    // have everything that depends on this crate built anew, and a revision that is not of
    // today is worse than none.
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if std::env::var_os(VARIABLE).is_some() || !release {
        return;
    }
    let Some(revision) = git(&["rev-parse", "HEAD"]) else {
        return;
    };
    println!("cargo:rustc-env={VARIABLE}={revision}");
    // HEAD names a branch; its log has a line for each commit that it came to.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file]);
        // Cargo would take a file that is not there for one that changes all the time.
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

/// What git says of the repository that this crate lies in, if there are both.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.is_empty()).then(|| text.trim().to_owned())
}
