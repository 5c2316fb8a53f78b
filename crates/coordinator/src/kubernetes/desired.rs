//! Which pods a StatefulSet asks for.

use k8s_openapi::api::apps::v1::StatefulSet;

/// What a StatefulSet asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Desired {
    /// These pods, in the order of their ordinals; at least one.
    Pods(Vec<String>),
    /// It says nothing: it is missing, was left by its pods, or is on its way out.
    Unknown,
    /// Fewer pods than may be adopted, perhaps none. A lost `spec.replicas` counts as one, and nobody
    /// wants to lose a store to that.
    BelowMinimum {
        /// These.
        asked: Vec<String>,
        /// How many it must at least.
        minimum: usize,
    },
}

impl Desired {
    /// What `stateful_set`, if there is one, asks for.
    pub fn of(stateful_set: Option<&StatefulSet>, minimum: usize) -> Self {
        let Some(stateful_set) = stateful_set else {
            return Self::Unknown;
        };
        let metadata = &stateful_set.metadata;
        let (Some(name), None) = (&metadata.name, &metadata.deletion_timestamp) else {
            return Self::Unknown;
        };
        let spec = &stateful_set.spec;
        let asked = usize::try_from(spec.replicas.unwrap_or(1)).unwrap_or(0);
        let first = spec.ordinals.as_ref().and_then(|ordinals| ordinals.start);
        let first = usize::try_from(first.unwrap_or(0)).unwrap_or(0);
        let ordinals = first..first + asked;
        let pods = ordinals.map(|ordinal| format!("{name}-{ordinal}"));
        let (asked, minimum) = (pods.collect::<Vec<_>>(), minimum.max(1));
        match asked.len() < minimum {
            true => Self::BelowMinimum { asked, minimum },
            false => Self::Pods(asked),
        }
    }

    /// The pods asked for, enough or not; `None` where nothing is said.
    pub fn pods(&self) -> Option<&[String]> {
        match self {
            Self::Pods(pods) | Self::BelowMinimum { asked: pods, .. } => Some(pods),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn desired(stateful_set: Value, minimum: usize) -> Desired {
        let stateful_set: StatefulSet = serde_json::from_value(stateful_set).unwrap();
        Desired::of(Some(&stateful_set), minimum)
    }

    fn with(spec: Value) -> Value {
        let mut all = json!({"selector": {}, "template": {}});
        for (name, value) in spec.as_object().unwrap() {
            all[name] = value.clone();
        }
        json!({"metadata": {"name": "r"}, "spec": all})
    }

    fn pods(names: &[&str]) -> Desired {
        Desired::Pods(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn pods_are_named_by_their_ordinals() {
        let three = json!({"replicas": 3});
        assert_eq!(desired(with(three), 1), pods(&["r-0", "r-1", "r-2"]));
        let later = json!({"replicas": 2, "ordinals": {"start": 5}});
        assert_eq!(desired(with(later), 1), pods(&["r-5", "r-6"]));
        assert_eq!(desired(with(json!({})), 1), pods(&["r-0"]));
    }

    #[test]
    fn unknown_is_never_none() {
        assert_eq!(Desired::of(None, 1), Desired::Unknown);
        let mut leaving = with(json!({"replicas": 3}));
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(desired(leaving, 1), Desired::Unknown);
    }

    #[test]
    fn too_few_are_not_adopted() {
        let names = |count| (0..count).map(|n| format!("r-{n}")).collect::<Vec<_>>();
        for (spec, minimum, asked, needed) in [
            (json!({"replicas": 0}), 0, 0, 1),
            (json!({"replicas": 0}), 3, 0, 3),
            (json!({"replicas": 2}), 3, 2, 3),
            (json!({}), 2, 1, 2),
        ] {
            let found = desired(with(spec), minimum);
            let expected = Desired::BelowMinimum {
                asked: names(asked),
                minimum: needed,
            };
            assert_eq!(found, expected);
            assert_eq!(found.pods(), Some(&*names(asked)));
        }
    }
}
