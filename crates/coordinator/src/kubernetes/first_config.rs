//! The first config, made by a coordinator when that is allowed.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::{Entropy, Member, Replica};
use tokio::time::sleep;

use crate::membership::{
    BootstrapError, ConfigStore, Directory, Membership, News, Workload, bootstrap,
};

/// How long each replica has to answer, and how long until they are asked again.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_secs(1);

/// Makes the first config once all wanted replicas answer with disks that never held one; ends as
/// soon as a config is operated under, however it came to be. May be allowed for ever: a
/// missing object in the config store alone makes it do nothing (PROTOCOL rule "bootstrap").
pub async fn make_first_config(
    membership: Arc<Membership>,
    config_store: Arc<dyn ConfigStore>,
    workload: Arc<dyn Workload>,
    entropy: Arc<dyn Entropy>,
    minimum: usize,
) {
    let mut said = String::new();
    while membership.view().is_none() {
        let problem = match workload.wanted() {
            None => "it is not known which replicas are wanted".to_owned(),
            Some(pods) if pods.len() < minimum => format!(
                "{} replicas are wanted, fewer than the minimum of {minimum}: scale up",
                pods.len()
            ),
            Some(pods) => match try_once(&membership, &*config_store, pods, &*entropy).await {
                Ok(members) => {
                    workload.announce(&News {
                        reason: "FirstConfigMade",
                        warning: false,
                        message: format!("the store begins with {members} members"),
                    });
                    return;
                }
                Err(error) => error.to_string(),
            },
        };
        if problem != said {
            tracing::info!(problem, "no first config yet");
            membership.first_config_waits(&problem);
            said = problem;
        }
        sleep(INTERVAL).await;
    }
}

/// How many members the config made of these pods has.
async fn try_once(
    membership: &Membership,
    config_store: &dyn ConfigStore,
    pods: Arc<[String]>,
    entropy: &dyn Entropy,
) -> Result<usize, BootstrapError> {
    let wanted = Wanted {
        pods,
        directory: membership.directory().clone(),
    };
    let config = bootstrap(&wanted, Some(config_store), entropy, ANSWER_LIMIT).await?;
    Ok(config.members().len())
}

/// A directory of the wanted pods: those that are not there yet are missed, and others that are
/// still there, or there already, are no members.
struct Wanted {
    pods: Arc<[String]>,
    directory: Arc<dyn Directory>,
}

impl Directory for Wanted {
    fn replica(&self, member: &Member) -> Arc<dyn Replica> {
        self.directory.replica(member)
    }

    fn pods(&self) -> Vec<String> {
        self.pods.to_vec()
    }

    fn pod(&self, pod: &str) -> Option<Arc<dyn Replica>> {
        self.directory.pod(pod)
    }

    fn address(&self, pod: &str) -> Option<String> {
        self.directory.address(pod)
    }
}
