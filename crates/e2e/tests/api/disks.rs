//! What tells a disk from an old copy of it.

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::api::{DeleteParams, PostParams};
use quorate_coordinator::kubernetes::{ClaimVolumes, ConfigMapBootCounters};
use quorate_coordinator::membership::{BootCounters, BootEntries, BootEntry, SwapOutcome, Volumes};
use quorate_e2e::{Namespace, until};
use quorate_register::{Boot, BootNonce, ReplicaId};
use serde_json::json;

use crate::support::access;

fn entries(number: u8) -> BootEntries {
    let boot = Boot {
        number: number.into(),
        nonce: BootNonce::from_bytes([number; 16]),
    };
    let volume = Some("claim".to_owned());
    [(ReplicaId::from_bytes([1; 16]), BootEntry { boot, volume })].into()
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn boots_are_counted_by_compare_and_swap() {
    let namespace = Namespace::new("boots").await.unwrap();
    let counters = || {
        let access = access(&namespace, namespace.config());
        ConfigMapBootCounters::new(access, "boots", [].into())
    };
    let (one, two) = (counters(), counters());
    assert_eq!(one.read().await.unwrap(), None);
    let SwapOutcome::Swapped(made) = one.create(&entries(1)).await.unwrap() else {
        panic!("a conflict");
    };
    let again = two.create(&entries(2)).await.unwrap();
    assert_eq!(again, SwapOutcome::Conflict);
    let read = two.read().await.unwrap().unwrap();
    assert_eq!((read.entries, &read.version), (entries(1), &made));
    let SwapOutcome::Swapped(next) = two.swap(&made, &entries(2)).await.unwrap() else {
        panic!("a conflict");
    };
    let late = one.swap(&made, &entries(3)).await.unwrap();
    assert_eq!(late, SwapOutcome::Conflict);
    // Made again by somebody: another object, even with the same content.
    let api = namespace.api::<ConfigMap>();
    api.delete("boots", &DeleteParams::default()).await.unwrap();
    let late = one.swap(&next, &entries(3)).await.unwrap();
    assert_eq!(late, SwapOutcome::Conflict);
    assert_eq!(one.read().await.unwrap(), None);
    one.create(&entries(2)).await.unwrap();
    let late = two.swap(&next, &entries(3)).await.unwrap();
    assert_eq!(late, SwapOutcome::Conflict);
    assert_eq!(two.read().await.unwrap().unwrap().entries, entries(2));
    namespace.delete().await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: scripts/kubernetes-tests"]
async fn a_claim_made_again_is_another_volume() {
    let namespace = Namespace::new("claims").await.unwrap();
    let volumes = ClaimVolumes::new(access(&namespace, namespace.config()), "data");
    assert_eq!(volumes.volume("r-0").await, Ok(None));
    let claim: PersistentVolumeClaim = serde_json::from_value(json!({
        "metadata": {"name": "data-r-0"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }))
    .unwrap();
    let api = namespace.api::<PersistentVolumeClaim>();
    let post = PostParams::default();
    let made = api.create(&post, &claim).await.unwrap();
    let before = volumes.volume("r-0").await;
    assert_eq!(before, Ok(made.metadata.uid));
    let delete = DeleteParams::default();
    api.delete("data-r-0", &delete).await.unwrap();
    until("the claim is gone", async || {
        api.get_opt("data-r-0").await.unwrap().is_none()
    })
    .await;
    api.create(&post, &claim).await.unwrap();
    let after = volumes.volume("r-0").await;
    assert!(after != before && after != Ok(None), "{after:?}");
    namespace.delete().await.unwrap();
}
