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

    /// The ConfigMap that counts the boots of all disks, which a coordinator makes too; the name of
    /// the other with `-boots` unless given.
    #[arg(
        long,
        env = "QUORATE_BOOT_CONFIG_MAP",
        value_name = "NAME",
        requires = "kubernetes"
    )]
    pub boot_config_map: Option<String>,

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

    /// The name of the volume claim template of the replicas: the UIDs of its claims tell
    /// volumes apart.
    #[arg(
        long,
        env = "QUORATE_VOLUME_CLAIM_TEMPLATE",
        value_name = "NAME",
        default_value = "data"
    )]
    pub volume_claim_template: String,

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
    /// The objects that are used; `None` unless Kubernetes is meant.
    pub fn objects(&self) -> Option<Objects> {
        if !self.kubernetes {
            return None;
        }
        let config_map = self.config_map.clone()?;
        let beside = || format!("{config_map}-boots");
        Some(Objects {
            namespace: self.namespace.clone(),
            stateful_set: self.stateful_set.clone()?,
            service: self.service.clone()?,
            replica_port: self.replica_port,
            volume_claim_template: self.volume_claim_template.clone(),
            boot_config_map: self.boot_config_map.clone().unwrap_or_else(beside),
            config_map,
            lease: self.lease.clone()?,
            pod_name: self.pod_name.clone(),
        })
    }
}

/// The objects that are used.
#[derive(Debug, Clone)]
pub struct Objects {
    /// Where all are; that of the pod unless given.
    pub namespace: Option<String>,
    /// The replicas' StatefulSet.
    pub stateful_set: String,
    /// Their headless Service.
    pub service: String,
    /// Where each replica listens.
    pub replica_port: u16,
    /// What the names of their claims begin with.
    pub volume_claim_template: String,
    /// The boots of all disks.
    pub boot_config_map: String,
    /// The agreed config.
    pub config_map: String,
    /// The election.
    pub lease: String,
    /// This coordinator's pod.
    pub pod_name: String,
}
