//! What a coordinator on Kubernetes is told at its start.

/// Where on Kubernetes the replicas, the config and the other objects are.
#[derive(Debug, Clone, clap::Args)]
pub struct KubernetesArgs {
    /// Find replicas, the agreed config and the wanted size through the Kubernetes API.
    #[arg(
        long,
        env = "QUORATE_KUBERNETES",
        requires_all = ["stateful_set", "service", "config_map", "lease"]
    )]
    pub kubernetes: bool,

    /// The namespace of all objects; the pod's own, or the kubeconfig's, unless given.
    #[arg(long, env = "QUORATE_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,

    /// The StatefulSet of the replicas: its size is the wanted size.
    #[arg(
        long = "statefulset",
        env = "QUORATE_STATEFULSET",
        value_name = "NAME",
        requires = "kubernetes"
    )]
    pub stateful_set: Option<String>,

    /// The headless Service of the replicas, which publishes addresses that are not ready.
    #[arg(
        long,
        env = "QUORATE_SERVICE",
        value_name = "NAME",
        requires = "kubernetes"
    )]
    pub service: Option<String>,

    /// The ConfigMap that keeps the agreed config. A coordinator makes it; never template it.
    #[arg(
        long,
        env = "QUORATE_CONFIG_MAP",
        value_name = "NAME",
        requires = "kubernetes"
    )]
    pub config_map: Option<String>,

    /// The Lease by which one coordinator is chosen to do the work that only one need do.
    #[arg(
        long,
        env = "QUORATE_LEASE",
        value_name = "NAME",
        requires = "kubernetes"
    )]
    pub lease: Option<String>,

    /// The port on which every replica listens.
    #[arg(
        long = "replica-port",
        env = "QUORATE_PORT_OF_REPLICAS",
        value_name = "PORT",
        default_value_t = 7401,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub replica_port: u16,

    /// Sizes of the StatefulSet below this one are not adopted: a lost `spec.replicas` counts as 1.
    #[arg(
        long,
        env = "QUORATE_MIN_REPLICAS",
        value_name = "COUNT",
        default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub min_replicas: u16,

    /// Make the first config once all wanted replicas answer with disks that never held one. It
    /// may stay set for ever.
    #[arg(long, env = "QUORATE_BOOTSTRAP", requires = "kubernetes")]
    pub bootstrap: bool,

    /// The name of this pod, for the Lease and Events.
    #[arg(
        long,
        env = "QUORATE_POD_NAME",
        value_name = "NAME",
        default_value = "coordinator"
    )]
    pub pod_name: String,
}

impl KubernetesArgs {
    /// The names of the objects; `None` unless Kubernetes is meant.
    pub fn objects(&self) -> Option<Objects> {
        if !self.kubernetes {
            return None;
        }
        Some(Objects {
            stateful_set: self.stateful_set.clone()?,
            service: self.service.clone()?,
            config_map: self.config_map.clone()?,
            lease: self.lease.clone()?,
        })
    }
}

/// The names of the objects that are used.
#[derive(Debug, Clone)]
pub struct Objects {
    /// The replicas' StatefulSet.
    pub stateful_set: String,
    /// Their headless Service.
    pub service: String,
    /// The agreed config.
    pub config_map: String,
    /// The election.
    pub lease: String,
}
