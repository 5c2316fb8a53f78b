//! Addresses from DNS, while the Kubernetes API does not tell them.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::sleep;

use super::KubernetesDirectory;

/// How often names are looked up while the API is away.
const LOOK_UP_INTERVAL: Duration = Duration::from_secs(2);
/// Pods looked for beyond those of which the Service has addresses: it lists those that are there,
/// and any of them may be away.
const SPARE_ORDINALS: usize = 3;
/// No more pods than this are looked for by ordinal; those that are members always are.
const MOST_ORDINALS: usize = 64;

/// The names that a headless Service has in DNS.
#[derive(Debug, Clone)]
pub struct PodNames {
    /// The StatefulSet, whose name pods begin with.
    pub stateful_set: String,
    /// The headless Service.
    pub service: String,
    /// Where both are.
    pub namespace: String,
}

impl PodNames {
    fn service(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }

    fn pod(&self, pod: &str) -> String {
        format!("{pod}.{}", self.service())
    }
}

/// Looks names up.
#[async_trait]
pub trait LookUp: Send + Sync {
    /// The addresses of a name.
    ///
    /// # Errors
    /// When there is no answer, or no such name; the two cannot be told apart everywhere.
    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookUp;

#[async_trait]
impl LookUp for SystemLookUp {
    async fn look_up(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Looks the pods of a directory up for as long as the API does not tell where they are. Done
/// beside everything else, so that no operation waits for a name.
pub async fn look_up_while_api_is_away(
    directory: KubernetesDirectory,
    names: PodNames,
    dns: impl LookUp,
) {
    loop {
        if !directory.contact().is_current() {
            look_up_once(&directory, &names, &dns).await;
        }
        sleep(LOOK_UP_INTERVAL).await;
    }
}

/// One round; it waits for each answer, so that no more look-ups are open than there are pods.
async fn look_up_once(directory: &KubernetesDirectory, names: &PodNames, dns: &dyn LookUp) {
    let there = dns.look_up(&names.service()).await.unwrap_or_default();
    let there = there.into_iter().collect::<BTreeSet<_>>().len();
    let ordinals = 0..(there + SPARE_ORDINALS).min(MOST_ORDINALS);
    let mut pods: BTreeSet<_> = directory.names().into_iter().collect();
    pods.extend(ordinals.map(|ordinal| format!("{}-{ordinal}", names.stateful_set)));
    let mut looking: FuturesUnordered<_> = pods
        .into_iter()
        .map(|pod| async move {
            let found = dns.look_up(&names.pod(&pod)).await;
            (pod, found)
        })
        .collect();
    while let Some((pod, found)) = looking.next().await {
        let Ok(mut addresses) = found else { continue };
        addresses.sort_unstable();
        addresses.dedup();
        if !addresses.is_empty() && !directory.contact().is_current() {
            directory.resolved(&pod, addresses);
        }
    }
}
