//! What the metrics say where the API, its objects and its nodes are real.

use quorate_e2e::{Release, until};

const COORDINATORS: &str = "--selector=app.kubernetes.io/component=coordinator";

/// The pods of the coordinators.
async fn coordinators(release: &Release) -> Vec<String> {
    let get = ["get", "pods", COORDINATORS, "--output=name"];
    let pods = release.kubectl(&get).await.unwrap();
    let names = pods.lines().filter_map(|pod| pod.strip_prefix("pod/"));
    names.map(str::to_owned).collect()
}

/// The values of a metric's series in what a pod exports, with their labels.
fn series(exported: &str, metric: &str) -> Vec<(String, f64)> {
    let lines = exported
        .lines()
        .filter_map(|line| line.strip_prefix(metric));
    let lines = lines.filter(|rest| rest.starts_with(['{', ' ']));
    let split = lines.filter_map(|line| line.rsplit_once(' '));
    split
        .map(|(labels, value)| (labels.to_owned(), value.parse().unwrap()))
        .collect()
}

/// The sum over the series with this in their labels.
fn sum(exported: &str, metric: &str, label: &str) -> f64 {
    let series = series(exported, metric).into_iter();
    let with_label = series.filter(|(labels, _)| labels.contains(label));
    with_label.map(|(_, value)| value).sum()
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn coordinators_show_what_they_have_of_the_api_and_of_places() {
    let release = Release::install("metrics", &[]).await.unwrap();
    release.until_members(0..3).await;
    release.scale(5).await.unwrap();
    release.until_members(0..5).await;
    let pods = coordinators(&release).await;
    assert_eq!(pods.len(), 2);
    until("one holds the Lease", async || {
        let mut held = 0.0;
        for pod in &pods {
            let exported = release.metrics(pod).await.unwrap();
            held += sum(&exported, "quorate_lease_held", "");
        }
        held == 1.0
    })
    .await;
    let (mut swapped, mut admitted) = (0.0, 0.0);
    for pod in &pods {
        until("the places of the members are known", async || {
            let exported = release.metrics(pod).await.unwrap();
            let members = series(&exported, "quorate_member_info");
            let placed = |(labels, value): &&(String, f64)| {
                let empty = labels.contains("zone=\"\"") || labels.contains("node=\"\"");
                !empty && *value == 1.0
            };
            members.iter().filter(placed).count() == 5
        })
        .await;
        let exported = release.metrics(pod).await.unwrap();
        for resource in ["endpointslices.discovery.k8s.io", "statefulsets.apps"] {
            let label = format!("resource=\"{resource}\"");
            let age = sum(&exported, "quorate_kubernetes_watch_age_seconds", &label);
            assert!((0.0..120.0).contains(&age), "{pod}, {resource}: {age} s");
        }
        let missing = series(&exported, "quorate_kubernetes_missing_right");
        assert!(
            missing.iter().all(|(_, value)| *value == 0.0),
            "{missing:?}"
        );
        assert!(!missing.is_empty());
        let calls = series(&exported, "quorate_kubernetes_calls_total");
        assert!(
            calls
                .iter()
                .any(|(labels, _)| labels.contains("code=\"ok\"")),
            "{calls:?}"
        );
        let swaps = "quorate_kubernetes_swaps_total";
        swapped += sum(&exported, swaps, "object=\"config\",result=\"swapped\"");
        admitted += sum(&exported, "quorate_admissions_total", "result=\"admitted\"");
        let limit = sum(&exported, "quorate_memory_limit_bytes", "");
        assert!(limit > 0.0, "the chart sets a limit");
    }
    assert!(swapped > 0.0, "five members take two configs");
    assert!(admitted >= 5.0, "each was found admitted: {admitted}");
    release.delete().await.unwrap();
}
