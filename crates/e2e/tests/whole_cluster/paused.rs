//! An API server that says nothing for minutes.

use std::time::Duration;

use quorate_e2e::{ClusterFault, LIMIT, PodProcess, Release, until_within};
use tokio::time::{Instant, sleep_until};

use crate::stores::pods;

/// How long the API server says nothing at least.
const PAUSE: Duration = Duration::from_secs(120);

/// Running pods serve, and containers of both roles that are killed come back and serve: in the end each one
/// was killed.
#[tokio::test]
#[ignore = "needs a cluster of its own: scripts/kubernetes-tests"]
async fn without_the_api_killed_containers_come_back_and_serve() {
    let release = Release::install("api-paused", &[]).await.unwrap();
    release.until_members(0..3).await;
    release.quorate(&["set", "kept", "value"]).await.unwrap();
    let processes = async |role, program| {
        let pods = pods(&release, role).await;
        let processes = pods.iter().map(|pod| PodProcess::of(pod, program).unwrap());
        processes.collect::<Vec<_>>()
    };
    let replicas = processes("replica", "quorate-replica").await;
    let coordinators = processes("coordinator", "quorate").await;
    let load = release.load().await.unwrap();

    let pause = ClusterFault::api_paused().unwrap();
    let end = Instant::now() + PAUSE;
    for (number, killed) in coordinators.iter().enumerate() {
        let other = &coordinators[(number + 1) % coordinators.len()];
        restarts(killed).await;
        until_within(LIMIT, "the coordinator serves again", async || {
            serves(killed).await && serves(other).await
        })
        .await;
    }
    for killed in &replicas {
        restarts(killed).await;
        until_within(LIMIT, "all members are reached again", async || {
            let status = ["quorate", "status", "--output", "json"];
            let status = coordinators[0].run(&status).await;
            status.is_ok_and(|status| status.contains(r#""health":"healthy""#))
        })
        .await;
    }
    for coordinator in &coordinators {
        assert!(serves(coordinator).await);
    }
    sleep_until(end).await;
    pause.end().unwrap();
    release.until_members(0..3).await;
    // Its clients were connected to a coordinator that was killed.
    load.report().await.unwrap();
    release.delete().await.unwrap();
}

/// Kills it, and waits until it runs again.
async fn restarts(process: &PodProcess) {
    let killed = process.kill().await.unwrap();
    until_within(LIMIT, "the container is started again", async || {
        process.id().is_some_and(|id| id != killed)
    })
    .await;
}

/// Whether a value can be read and written through this coordinator.
async fn serves(coordinator: &PodProcess) -> bool {
    let written = coordinator.run(&["quorate", "set", "other", "value"]);
    let read = coordinator.run(&["quorate", "get", "kept"]);
    written.await.is_ok() && read.await.is_ok_and(|value| value.trim() == "value")
}
