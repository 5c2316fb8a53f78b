//! All that a coordinator has of Kubernetes, wired together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use quorate_proto::transport::{ChannelOptions, channel};
use quorate_proto::{Limits, RemoteReplica};
use quorate_register::{Entropy, Replica};
use quorate_runtime::{Shutdown, SystemEntropy};
use tokio::time::sleep;

use super::access::{ApiAccess, NoAccess};
use super::args::Objects;
use super::boot_counters::ConfigMapBootCounters;
use super::claims::ClaimVolumes;
use super::config_map_store::ConfigMapStore;
use super::directory::{Connect, KubernetesDirectory};
use super::events::events;
use super::lease::{Elector, Leadership, LeaseTimes};
use super::names::{PodNames, SystemLookUp, look_up_while_api_is_away};
use super::rights::review_missing_rights;
use super::stateful_set::StatefulSetWorkload;
use super::{ENDPOINT_SLICES, KubernetesMetrics, STATEFUL_SETS, make_first_config};
use crate::membership::Membership;

/// Why a coordinator cannot use Kubernetes.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// There is no way to its API.
    #[error(transparent)]
    Access(#[from] NoAccess),
    /// Metrics could not be registered.
    #[error("metrics of Kubernetes cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// A coordinator's side of Kubernetes, running.
pub struct Kubernetes {
    /// Where replicas are.
    pub directory: Arc<KubernetesDirectory>,
    /// The agreed config.
    pub config_store: Arc<ConfigMapStore>,
    /// The boots of all disks.
    pub boot_counters: Arc<ConfigMapBootCounters>,
    /// The claims of the replicas.
    pub volumes: Arc<ClaimVolumes>,
    /// What people ask for.
    pub workload: Arc<StatefulSetWorkload>,
    /// Whether this coordinator does what only one need do.
    pub leadership: Leadership,
    /// The fewest members that the store may have.
    minimum: usize,
}

impl Kubernetes {
    /// Starts all that follows the API, in the background until `shutdown`. It waits for nothing: a
    /// coordinator starts while the API is down.
    ///
    /// # Errors
    /// See [`KubernetesError`].
    pub async fn start(
        objects: &Objects,
        minimum: usize,
        registry: &Registry,
        shutdown: &Shutdown,
    ) -> Result<Self, KubernetesError> {
        let metrics = KubernetesMetrics::new(registry)?;
        let access = ApiAccess::infer(objects.namespace.clone(), metrics).await?;
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let (queue, publisher) = events(access.clone(), &objects.pod_name);
        let name = &objects.stateful_set;
        let workload = StatefulSetWorkload::new(access.clone(), name, minimum, queue);
        let directory = KubernetesDirectory::new(objects.replica_port, remote());
        let labels = labels(objects);
        let config_map = &objects.config_map;
        let config_store = ConfigMapStore::new(access.clone(), config_map, labels.clone());
        let boots = &objects.boot_config_map;
        let boot_counters = ConfigMapBootCounters::new(access.clone(), boots, labels);
        let volumes = ClaimVolumes::new(access.clone(), &objects.volume_claim_template);
        let (elector, leadership) = Elector::new(
            access.clone(),
            &objects.lease,
            &objects.pod_name,
            LeaseTimes::default(),
            entropy.clone(),
        );
        let background = |work| spawn(shutdown, work);
        background(Box::pin(publisher.run()));
        background(Box::pin(elector.run()));
        background(Box::pin(review_missing_rights(
            access.clone(),
            REVIEW_INTERVAL,
        )));
        background(Box::pin(observe(
            access.metrics().clone(),
            directory.clone(),
            workload.clone(),
        )));
        let names = PodNames {
            stateful_set: objects.stateful_set.clone(),
            service: objects.service.clone(),
            namespace: access.namespace().to_owned(),
        };
        let looking = look_up_while_api_is_away(directory.clone(), names, SystemLookUp);
        background(Box::pin(looking));
        let (following, service) = (directory.clone(), objects.service.clone());
        let random = entropy.clone();
        background(Box::pin(async move {
            following.follow(access, &service, random).await;
        }));
        let following = workload.clone();
        background(Box::pin(async move { following.follow(entropy).await }));
        Ok(Self {
            directory: Arc::new(directory),
            config_store: Arc::new(config_store),
            boot_counters: Arc::new(boot_counters),
            volumes: Arc::new(volumes),
            workload: Arc::new(workload),
            leadership,
            minimum: minimum.max(1),
        })
    }
}

impl Kubernetes {
    /// Makes the first config in the background when all wanted replicas are virgin; see
    /// [`make_first_config`].
    pub fn make_first_config(&self, membership: Arc<Membership>, shutdown: &Shutdown) {
        let (config_store, workload) = (self.config_store.clone(), self.workload.clone());
        let entropy = Arc::new(SystemEntropy);
        let minimum = self.minimum;
        let making = make_first_config(membership, config_store, workload, entropy, minimum);
        spawn(shutdown, Box::pin(making));
    }
}

type Work = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

fn spawn(shutdown: &Shutdown, work: Work) {
    let cancel = shutdown.cancel.clone();
    shutdown.background.spawn(async move {
        cancel.run_until_cancelled(work).await;
    });
}

/// Ways over the network. The address is one already: no name is looked up.
fn remote() -> Connect {
    Arc::new(|address: SocketAddr| {
        let channel = channel(&address.to_string(), &ChannelOptions::default());
        let channel = channel.expect("a socket address is host and port");
        Arc::new(RemoteReplica::new(channel, Limits::largest())) as Arc<dyn Replica>
    })
}

/// What tells people and tools whose the objects made at run time are.
fn labels(objects: &Objects) -> BTreeMap<String, String> {
    let labels = [
        ("app.kubernetes.io/name", "quorate"),
        ("app.kubernetes.io/component", "membership"),
        ("app.kubernetes.io/managed-by", "quorate-coordinator"),
        ("quorate.dev/statefulset", &objects.stateful_set),
    ];
    labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// How often rights that are missing are asked for.
const REVIEW_INTERVAL: Duration = Duration::from_secs(30);

/// How often ages are read.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(1);

async fn observe(
    metrics: KubernetesMetrics,
    directory: KubernetesDirectory,
    workload: StatefulSetWorkload,
) {
    loop {
        for (resource, contact) in [
            (ENDPOINT_SLICES, directory.contact()),
            (STATEFUL_SETS, workload.contact()),
        ] {
            let age = contact.age().map_or(f64::INFINITY, |age| age.as_secs_f64());
            metrics.watch_age(resource).set(age);
        }
        sleep(OBSERVE_INTERVAL).await;
    }
}
