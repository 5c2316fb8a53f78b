//! An election that only saves work.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Config;
use kube::api::{DeleteParams, Patch, PatchParams};
use quorate_coordinator::kubernetes::{Elector, Leadership, LeaseTimes};
use quorate_coordinator::membership::{ConfigStore, SwapOutcome};
use quorate_e2e::{Namespace, Proxy, until};
use quorate_runtime::SystemEntropy;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::conformance::first;
use crate::support::{Seeded, access, child, store};

const TIMES: LeaseTimes = LeaseTimes {
    duration: Duration::from_secs(3),
    renewal: Duration::from_millis(300),
};

fn candidate(namespace: &Namespace, config: Config) -> (Leadership, JoinHandle<()>) {
    let access = access(namespace, config);
    let entropy = Arc::new(SystemEntropy);
    let (elector, leadership) = Elector::new(access, "lease", "same-name", TIMES, entropy);
    (leadership, tokio::spawn(elector.run()))
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn one_leads_and_another_follows_when_it_is_gone() {
    let namespace = Namespace::new("lease").await.unwrap();
    let (one, first_task) = candidate(&namespace, namespace.config());
    until("one leads", async || one.is_leader()).await;
    let (two, _second_task) = candidate(&namespace, namespace.config());
    // It goes on leading over several terms, though both have the same pod name.
    let mut changes = one.changes();
    changes.mark_unchanged();
    tokio::time::sleep(TIMES.duration * 2).await;
    assert!(one.is_leader() && !two.is_leader());
    assert!(!changes.has_changed().unwrap(), "it led all the time");
    first_task.abort();
    until("two leads", async || two.is_leader()).await;
    // A Lease that somebody deleted is made again, and one that somebody took is respected.
    let api = namespace.api::<Lease>();
    api.delete("lease", &DeleteParams::default()).await.unwrap();
    until("it is there again", async || {
        api.get_opt("lease").await.unwrap().is_some()
    })
    .await;
    let taken = Patch::Merge(json!({"spec": {"holderIdentity": "somebody"}}));
    let parameters = PatchParams::default();
    api.patch("lease", &parameters, &taken).await.unwrap();
    until("two stopped", async || !two.is_leader()).await;
    until("two leads again", async || two.is_leader()).await;
    namespace.delete().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn a_leader_without_the_api_stops_before_another_begins() {
    let namespace = Namespace::new("lease-cut-off").await.unwrap();
    let (proxy, config) = Proxy::new(namespace.config()).await.unwrap();
    let (one, _first) = candidate(&namespace, config);
    until("one leads", async || one.is_leader()).await;
    let (two, _second) = candidate(&namespace, namespace.config());
    proxy.go_away();
    let mut began = two.changes();
    began.wait_for(|leads| *leads).await.unwrap();
    assert!(!one.is_leader(), "it stopped by its own clock");
    namespace.delete().await.unwrap();
}

/// Whatever both believe, each change is a swap of the exact version.
#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn two_that_both_believe_they_lead_do_no_harm() {
    let namespace = Namespace::new("lease-two").await.unwrap();
    let random = Seeded::new(1);
    let stores = [1, 2].map(|_| store(access(&namespace, namespace.config())));
    stores[0].create(&first(&*random)).await.unwrap();
    for _ in 0..20 {
        let seen = stores[0].read().await.unwrap().unwrap();
        let also = stores[1].read().await.unwrap().unwrap();
        let (one, two) = (
            child(&seen.config, &*random, |_| ()),
            child(&also.config, &*random, |_| ()),
        );
        let (first, second) = tokio::join!(
            stores[0].swap(&seen.version, &one, false),
            stores[1].swap(&also.version, &two, false),
        );
        let won = [first.unwrap(), second.unwrap()].map(|it| it != SwapOutcome::Conflict);
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        let stored = stores[0].read().await.unwrap().unwrap();
        let winner = if won[0] { one.id() } else { two.id() };
        assert_eq!(stored.config.id(), winner);
    }
    namespace.delete().await.unwrap();
}
