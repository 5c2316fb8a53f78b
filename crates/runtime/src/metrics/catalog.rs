//! Where metrics are registered, and what there are.

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::proto::MetricType;
use prometheus::{Error, Registry};

/// Takes metrics: a [`Registry`], or the [`Catalog`] that docs/metrics.md is made from.
pub trait Registrar {
    /// Takes the metrics of a collector.
    ///
    /// # Errors
    /// They are there already.
    fn register(&self, collector: Box<dyn Collector>) -> Result<(), Error>;
}

impl Registrar for Registry {
    fn register(&self, collector: Box<dyn Collector>) -> Result<(), Error> {
        Registry::register(self, collector)
    }
}

/// What a metric is, whether it has a value yet or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels, sorted.
    pub labels: Vec<String>,
    /// What it says.
    pub help: String,
}

/// Notes what is registered instead of keeping it.
#[derive(Debug, Default)]
pub struct Catalog(Mutex<Vec<Family>>);

impl Catalog {
    /// All that was registered, by name.
    pub fn families(&self) -> Vec<Family> {
        let mut families = self.0.lock().clone();
        families.sort_by(|one, other| one.name.cmp(&other.name));
        families
    }
}

impl Registrar for Catalog {
    fn register(&self, collector: Box<dyn Collector>) -> Result<(), Error> {
        let values = collector.collect();
        let kind = |name: &str| {
            let family = values.iter().find(|family| family.name() == name);
            match family.map(|family| family.get_field_type()) {
                Some(MetricType::COUNTER) => "counter",
                Some(MetricType::HISTOGRAM) => "histogram",
                _ => "gauge",
            }
        };
        let families = collector.desc().into_iter().map(|desc| {
            let constant = desc.const_label_pairs.iter().map(|label| label.name());
            let variable = desc.variable_labels.iter().map(String::as_str);
            let mut labels: Vec<_> = constant.chain(variable).map(str::to_owned).collect();
            labels.sort();
            Family {
                name: desc.fq_name.clone(),
                kind: kind(&desc.fq_name),
                labels,
                help: desc.help.clone(),
            }
        });
        let mut known = self.0.lock();
        known.extend(families);
        Ok(())
    }
}
