//! A namespace for one test.

use anyhow::Context;
use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::artifacts;

/// A namespace in which only pods of the restricted standard run.
///
/// One that is dropped without having been deleted belongs to a test that failed: what is in it is
/// collected, and the folder's path printed.
pub struct Namespace {
    name: String,
    config: Config,
    client: Client,
    deleted: bool,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !self.deleted {
            let folder = artifacts::collect(&self.name);
            println!("what {} had: {}", self.name, folder.display());
        }
    }
}

impl Namespace {
    /// Makes one for the test of this name, in the cluster that `KUBECONFIG` names.
    ///
    /// # Errors
    /// When there is no cluster, or it does not make one.
    pub async fn new(test: &str) -> anyhow::Result<Self> {
        let config = Config::infer().await.context("set KUBECONFIG")?;
        let client = Client::try_from(config.clone())?;
        let object: NamespaceObject = serde_json::from_value(json!({
            "metadata": {
                "generateName": format!("quorate-{test}-"),
                "labels": {
                    "quorate.dev/test": test,
                    "pod-security.kubernetes.io/enforce": "restricted",
                },
            },
        }))?;
        let namespaces = Api::<NamespaceObject>::all(client.clone());
        let made = namespaces.create(&PostParams::default(), &object).await;
        let made = made.context("cannot make a namespace")?;
        let name = made.metadata.name.context("a namespace has a name")?;
        Ok(Self {
            name,
            config,
            client,
            deleted: false,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the cluster is reached.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// A client with all rights.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Objects of one kind in it.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client(), &self.name)
    }

    /// How the cluster is reached as a service account with these rules of a Role.
    ///
    /// # Errors
    /// When the objects cannot be made.
    pub async fn with_rights(&self, account: &str, rules: Value) -> anyhow::Result<Config> {
        let post = PostParams::default();
        let metadata = json!({"name": account});
        let object: ServiceAccount = serde_json::from_value(json!({"metadata": metadata}))?;
        self.api().create(&post, &object).await?;
        self.grant(account, account, rules).await?;
        let mut config = self.config();
        let user = format!("system:serviceaccount:{}:{account}", self.name);
        config.auth_info.impersonate = Some(user);
        Ok(config)
    }

    /// Lets a service account do what a new role of this name may.
    ///
    /// # Errors
    /// When the cluster does not take the objects.
    pub async fn grant(&self, account: &str, role: &str, rules: Value) -> anyhow::Result<()> {
        let post = PostParams::default();
        let metadata = json!({"name": role});
        let binding: RoleBinding = serde_json::from_value(json!({
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": self.name}],
        }))?;
        let role: Role = serde_json::from_value(json!({"metadata": metadata, "rules": rules}))?;
        self.api().create(&post, &role).await?;
        self.api().create(&post, &binding).await?;
        Ok(())
    }

    /// Deletes it; what a failed test leaves is deleted by [`Namespace::sweep`].
    ///
    /// # Errors
    /// When the cluster does not take the request.
    pub async fn delete(mut self) -> anyhow::Result<()> {
        self.deleted = true;
        let namespaces = Api::<NamespaceObject>::all(self.client());
        let parameters = DeleteParams::background();
        namespaces.delete(&self.name, &parameters).await?;
        Ok(())
    }

    /// Deletes the namespaces of all tests.
    ///
    /// # Errors
    /// When there is no cluster, or it does not take the request.
    pub async fn sweep() -> anyhow::Result<usize> {
        let namespaces = Api::<NamespaceObject>::all(Client::try_default().await?);
        let ours = ListParams::default().labels("quorate.dev/test");
        let found = namespaces.list(&ours).await?.items;
        for namespace in &found {
            let name = namespace.metadata.name.as_deref().unwrap_or_default();
            namespaces.delete(name, &DeleteParams::background()).await?;
        }
        Ok(found.len())
    }
}
