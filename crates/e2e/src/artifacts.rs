//! What a failed test leaves for people to read.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where folders of artifacts are made, unless `QUORATE_ARTIFACTS` names another place.
const PLACE: &str = "quorate-e2e";

/// What is asked of the cluster, and the file that the answer is written to.
const QUESTIONS: [(&str, &[&str]); 6] = [
    ("pods.txt", &["get", "pods", "--output", "wide"]),
    (
        "events.txt",
        &["get", "events", "--sort-by", ".lastTimestamp"],
    ),
    ("config.yaml", &["get", "configmaps", "--output", "yaml"]),
    (
        "objects.yaml",
        &[
            "get",
            "pods,statefulsets,deployments,replicasets,persistentvolumeclaims,endpointslices,leases",
            "--output",
            "yaml",
        ],
    ),
    ("nodes.txt", &["get", "nodes", "--output", "wide"]),
    (
        "status.txt",
        &["exec", "deploy/quorate", "--", "quorate", "status"],
    ),
];

/// Writes the logs of all containers, also of those that ended, the events, the config and all other
/// objects of a namespace into a new folder. What cannot be had is left out.
pub(crate) fn collect(namespace: &str) -> PathBuf {
    let place = std::env::var_os("QUORATE_ARTIFACTS").map(PathBuf::from);
    let place = place.unwrap_or_else(|| std::env::temp_dir().join(PLACE));
    let folder = place.join(namespace);
    if let Err(error) = fs::create_dir_all(&folder) {
        eprintln!("no artifacts in {}: {error}", folder.display());
        return folder;
    }
    for (file, arguments) in QUESTIONS {
        write(&folder.join(file), namespace, arguments);
    }
    let names = kubectl(namespace, &["get", "pods", "--output", "name"]);
    let names = names.unwrap_or_default();
    for pod in String::from_utf8_lossy(&names).lines() {
        let name = pod.trim_start_matches("pod/");
        let all = ["logs", pod, "--all-containers", "--timestamps"];
        write(&folder.join(format!("{name}.log")), namespace, &all);
        let before = [&all[..], &["--previous"]].concat();
        let file = folder.join(format!("{name}.previous.log"));
        write(&file, namespace, &before);
    }
    folder
}

fn write(file: &Path, namespace: &str, arguments: &[&str]) {
    if let Some(answer) = kubectl(namespace, arguments)
        && let Err(error) = fs::write(file, answer)
    {
        eprintln!("cannot write {}: {error}", file.display());
    }
}

/// What it prints, if anything. `quorate status` prints, and fails, where the store is not well.
fn kubectl(namespace: &str, arguments: &[impl AsRef<OsStr>]) -> Option<Vec<u8>> {
    let output = Command::new("kubectl")
        .args(["--namespace", namespace, "--request-timeout", "20s"])
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    (!output.stdout.is_empty()).then_some(output.stdout)
}
