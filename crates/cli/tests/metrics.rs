//! All metrics there are: docs/metrics.md names each, and promtool finds no fault with them.
//!
//! `UPDATE_GOLDEN=1 cargo test -p quorate-cli --test metrics` writes the page anew.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use quorate_coordinator::kubernetes::KubernetesMetrics;
use quorate_coordinator::reconfiguration::ReconfigurationMetrics;
use quorate_coordinator::repair::RepairMetrics;
use quorate_coordinator::{CanaryMetrics, CoordinatorMetrics};
use quorate_replica::ReplicaMetrics;
use quorate_runtime::BuildInfo;
use quorate_runtime::metrics::{Catalog, Family, ServerMetrics, register};
use quorate_runtime::telemetry::TraceMetrics;

const INTRODUCTION: &str = "\
# Metrics

Both roles serve these at `/metrics` on their admin port (`--admin-listen`, 7402 unless it is
changed), as Prometheus text. Base units, no key or value as a label, and each label has few
values: a member that left takes its series along.

This page is made from the code: `UPDATE_GOLDEN=1 cargo test -p quorate-cli --test metrics`.

Prometheus adds the labels of its target. Those that the chart's PodMonitor sets are used by the
chart's rules and dashboards: `namespace`, `pod`, `app_kubernetes_io_instance` (the release) and
`app_kubernetes_io_component` (`coordinator` or `replica`).
";

struct Section {
    title: &'static str,
    text: &'static str,
    families: Vec<Family>,
}

/// What each program registers, by role.
fn sections() -> Vec<Section> {
    let catalog = |fill: &dyn Fn(&Catalog)| {
        let catalog = Catalog::default();
        fill(&catalog);
        catalog.families()
    };
    vec![
        Section {
            title: "Both roles",
            text: "What every process has, and the gRPC server of each role, `member` being a replica's pod. The `process_*` metrics are there on Linux.",
            families: catalog(&|catalog| {
                let build = BuildInfo::new("quorate", "0.0.0");
                register(catalog, &build).unwrap();
                ServerMetrics::new(catalog, "coordinator", "").unwrap();
            }),
        },
        Section {
            title: "Both roles that trace",
            text: "With `--trace-endpoint`.",
            families: catalog(&|catalog| {
                TraceMetrics::new(catalog).unwrap();
            }),
        },
        Section {
            title: "Coordinator",
            text: "Operations of clients, requests to replicas, members, changes of them, and repair. `member` is a replica's pod.",
            families: catalog(&|catalog| {
                CoordinatorMetrics::new(catalog).unwrap();
                CanaryMetrics::new(catalog).unwrap();
                RepairMetrics::new(catalog).unwrap();
                ReconfigurationMetrics::new(catalog).unwrap();
            }),
        },
        Section {
            title: "Coordinator on Kubernetes",
            text: "Its dealings with the API, with `--kubernetes`.",
            families: catalog(&|catalog| {
                KubernetesMetrics::new(catalog).unwrap();
            }),
        },
        Section {
            title: "Replica",
            text: "The store of one disk. `member` is its own pod.",
            families: catalog(&|catalog| {
                ReplicaMetrics::new(catalog, "replica-0").unwrap();
            }),
        },
    ]
}

fn page(sections: &[Section]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for Section {
        title,
        text,
        families,
    } in sections
    {
        write!(page, "\n## {title}\n\n{text}\n\n").unwrap();
        page.push_str("| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n");
        for Family {
            name,
            kind,
            labels,
            help,
        } in families
        {
            let labels = labels.iter().map(|label| format!("`{label}`"));
            let labels = labels.collect::<Vec<_>>().join(", ");
            writeln!(page, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
        }
    }
    page
}

#[tokio::test]
async fn the_page_names_each() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let page = page(&sections());
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == page,
        "docs/metrics.md is not what the code has: UPDATE_GOLDEN=1 cargo test -p quorate-cli --test metrics"
    );
}

/// One sample of each, since a metric without a value is not in what a program serves.
fn exposition(sections: &[Section]) -> String {
    let mut text = String::new();
    let mut names = Vec::new();
    for family in sections.iter().flat_map(|section| &section.families) {
        let Family {
            name,
            kind,
            labels,
            help,
        } = family;
        if names.contains(&name) {
            // Both roles have it.
            continue;
        }
        names.push(name);
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").unwrap();
        let labels = labels.iter().map(|label| format!("{label}=\"x\""));
        let labels = labels.collect::<Vec<_>>().join(",");
        match *kind {
            "histogram" => {
                let separator = if labels.is_empty() { "" } else { "," };
                writeln!(text, "{name}_bucket{{{labels}{separator}le=\"+Inf\"}} 1").unwrap();
                writeln!(text, "{name}_sum{{{labels}}} 1\n{name}_count{{{labels}}} 1").unwrap();
            }
            _ => writeln!(text, "{name}{{{labels}}} 1").unwrap(),
        }
    }
    text
}

/// `promtool check metrics`: whether it is content, and what it says. `None` without promtool.
fn promtool(text: &str) -> Option<(bool, String)> {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    promtool.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().ok()?;
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Some((output.status.success() && said.is_empty(), said))
}

#[tokio::test]
async fn promtool_finds_no_fault() {
    let text = exposition(&sections());
    let Some((content, said)) = promtool(&text) else {
        let needed = std::env::var("QUORATE_NEED_TOOLS").unwrap_or_default();
        assert!(!needed.contains("promtool"), "promtool is needed");
        eprintln!("\n*** SKIPPED: promtool is not installed (Debian: apt install prometheus)\n");
        return;
    };
    assert!(content, "{said}");
    let bad = "# HELP quorate_bad Bad.\n# TYPE quorate_bad counter\nquorate_bad 1\n";
    let (content, said) = promtool(bad).unwrap();
    assert!(!content, "promtool notices nothing: {said}");
}
