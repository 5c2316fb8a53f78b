//! Making a lost config object anew from what the replicas hold.

use std::sync::Arc;
use std::time::Duration;

use quorate_register::config::TransitionError;
use quorate_register::{Config, Entropy, Identity, Member, MemberSet};

use super::identities::identities;
use super::{ConfigStore, ConfigStoreError, Directory, Proof, SwapOutcome, prove_active};

/// What people may do about disks that are missing.
const GIVE_UP: &str = "what only they have would be lost. Bring them back, or give up what they have with --force-data-loss";

/// Why a config was not made anew.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The object is there, and fits what the replicas hold.
    #[error("{}", present(epoch, missing.as_deref()))]
    Present {
        /// Its epoch.
        epoch: String,
        /// Which majority is missing, if one is, and who does not answer: nothing but force helps
        /// then.
        missing: Option<String>,
    },
    /// Nobody holds a config.
    #[error(
        "no replica that answers holds a config: this store was never made, or all its disks are lost ({problems})"
    )]
    Nothing {
        /// Who did not answer, and why.
        problems: String,
    },
    /// The replicas belong to more than one store, or two configs claim one place in the order.
    #[error(
        "{found}: a person must decide which is right; stop the replicas that hold the wrong one, and run this again"
    )]
    Ambiguous {
        /// Who holds what.
        found: String,
    },
    /// Writes that were acknowledged may be at nobody who answers.
    #[error("{problems}: {}", GIVE_UP)]
    Missing {
        /// Which majority is missing, and who does not answer.
        problems: String,
    },
    /// The config store did not answer.
    #[error(transparent)]
    Store(#[from] ConfigStoreError),
    /// Somebody else changed the config store meanwhile.
    #[error("another coordinator changed the config store meanwhile: run this again")]
    Conflict,
    /// The config was made, but is not active yet; any coordinator goes on.
    #[error("the config is made but not active yet: {0}")]
    NotActive(String),
    /// What was found makes no config.
    #[error(transparent)]
    Transition(#[from] TransitionError),
}

/// What a recovery made.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// The new config, which is active.
    pub config: Arc<Config>,
    /// The pods of the members that were left behind; empty unless that was forced.
    pub lost: Vec<String>,
}

/// Takes the highest config that a replica holds and stores it again, one recovery later
/// (PROTOCOL rule "lost object").
///
/// No write is lost if a majority of each of its groups answers: whichever config was active
/// later would be held by one of them. With `force_data_loss` those that answer go on alone.
///
/// # Errors
/// See [`RecoverError`]; nothing was changed unless it is [`RecoverError::NotActive`], or
/// [`RecoverError::Store`] from an ambiguous write.
pub async fn recover(
    directory: &dyn Directory,
    store: &dyn ConfigStore,
    entropy: &dyn Entropy,
    limit: Duration,
    force_data_loss: bool,
) -> Result<Recovered, RecoverError> {
    let stored = store.read().await?;
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for (pod, answer) in identities(directory, limit).await {
        match answer {
            Ok(identity) => found.push((pod, identity)),
            Err(problem) => problems.push(format!("{pod}: {problem}")),
        }
    }
    let (highest, split) = highest(&found, &problems)?;
    let answers = |member: &Member| {
        found
            .iter()
            .any(|(_, it)| it.replica_id == member.replica_id)
    };
    let members = highest.members().iter().enumerate();
    let answering: MemberSet = members
        .filter(|(_, member)| answers(member))
        .map(|(index, _)| index)
        .collect();
    let reached = highest.quorums().reached(answering);
    if let Some(stored) = &stored
        && !split
        && (stored.config.is_or_descends_from(highest.id())
            || highest.is_or_descends_from(stored.config.id()))
        && !force_data_loss
    {
        return Err(RecoverError::Present {
            epoch: stored.config.epoch().to_string(),
            missing: (!reached).then(|| missing(&highest, answering, &problems)),
        });
    }
    let (config, lost) = match reached {
        true => (highest.recovered(entropy)?, Vec::new()),
        false if force_data_loss => {
            let (there, lost): (Vec<_>, Vec<_>) =
                highest.members().iter().cloned().partition(answers);
            let lost = lost.into_iter().map(|member| member.pod).collect();
            (highest.recovered_with(there, entropy)?, lost)
        }
        false => {
            let problems = missing(&highest, answering, &problems);
            return Err(RecoverError::Missing { problems });
        }
    };
    let config = Arc::new(config);
    let outcome = match &stored {
        Some(stored) => store.swap(&stored.version, &config, false).await?,
        None => store.create(&config).await?,
    };
    if outcome == SwapOutcome::Conflict {
        return Err(RecoverError::Conflict);
    }
    match prove_active(directory, &config, limit).await {
        Proof::Active | Proof::Superseded(_) => Ok(Recovered { config, lost }),
        Proof::Unproven { problems, .. } => Err(RecoverError::NotActive(problems)),
    }
}

/// The highest config, and whether the replicas are split over several of which none can become
/// active any more; none when it is not clear which it is.
fn highest(
    found: &[(String, Identity)],
    problems: &[String],
) -> Result<(Arc<Config>, bool), RecoverError> {
    let held = || {
        let held = |(pod, identity): &'_ (String, Identity)| {
            Some((pod.clone(), identity.config.as_ref()?.config.clone()))
        };
        found.iter().filter_map(held)
    };
    let Some((_, highest)) = held().max_by_key(|(_, config)| config.epoch()) else {
        let problems = problems.join("; ");
        return Err(RecoverError::Nothing { problems });
    };
    let one_cluster = held().all(|(_, config)| config.cluster_id() == highest.cluster_id());
    let mut rivals: Vec<_> = held()
        .map(|(_, config)| config)
        .filter(|config| config.epoch() == highest.epoch())
        .collect();
    rivals.sort_unstable_by_key(|config| config.id());
    rivals.dedup_by_key(|config| config.id());
    // Whoever does not answer may hold any of them.
    let may_be_active = |config: &Arc<Config>| {
        config.is_activated_by(|id| {
            let answer = found.iter().find(|(_, identity)| identity.replica_id == id);
            let held = answer.map(|(_, identity)| identity.config.as_ref());
            held.is_none_or(|held| held.is_some_and(|it| it.config.id() == config.id()))
        })
    };
    let possible: Vec<_> = rivals
        .iter()
        .filter(|config| may_be_active(config))
        .collect();
    match possible[..] {
        _ if !one_cluster => {}
        [one] => return Ok((one.clone(), false)),
        // None of them was ever active, so any of them will do.
        [] => return Ok((highest, true)),
        [..] => {}
    }
    let says = |(pod, config): (String, Arc<Config>)| {
        let (cluster, id, epoch) = (config.cluster_id(), config.id(), config.epoch());
        format!("{pod} holds config {id} of epoch {epoch} of cluster {cluster}")
    };
    let found: Vec<_> = held().map(says).collect();
    Err(RecoverError::Ambiguous {
        found: found.join("; "),
    })
}

fn present(epoch: &str, missing: Option<&str>) -> String {
    let fits = format!(
        "the config store has the config of epoch {epoch}, which fits what the replicas hold"
    );
    match missing {
        None => format!("there is nothing to recover: {fits}"),
        Some(missing) => format!("{fits}, but {missing}: {GIVE_UP}"),
    }
}

/// Which majority is missing, and who does not answer.
fn missing(highest: &Config, answering: MemberSet, problems: &[String]) -> String {
    let groups = highest.quorums().shortfalls(answering);
    let groups = groups.filter(|group| group.received < group.needed);
    let says = |group: quorate_register::Shortfall| {
        format!(
            "{} of the {} group of epoch {} answer, and {} are needed",
            group.received,
            group.group,
            highest.epoch(),
            group.needed
        )
    };
    let mut said: Vec<_> = groups.map(says).collect();
    // In the place of a lost disk another may answer.
    let members = highest.members().iter().enumerate();
    let absent = members.filter(|(index, _)| !answering.contains(*index));
    let absent: Vec<_> = absent.map(|(_, member)| &*member.pod).collect();
    said.push(format!("missing are the disks of {}", absent.join(", ")));
    said.extend(problems.iter().cloned());
    said.join("; ")
}
