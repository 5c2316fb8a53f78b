//! The metrics every program has, in a registry that it passes in.

#[cfg(feature = "allocation-counts")]
mod allocations;
mod catalog;
mod machine;
#[cfg(target_os = "linux")]
mod process;
mod server;

pub use catalog::{Catalog, Family, Registrar};
pub use server::ServerMetrics;

use prometheus::core::Collector;
use prometheus::{IntGaugeVec, Opts};

use crate::BuildInfo;
use machine::Machine;

/// Registers `quorate_build_info{version,revision}` (always 1; an unknown revision is
/// `unknown`), the memory limit, the state of the tokio runtime, and, on Linux, the usual
/// `process_*` metrics: processor seconds, resident and virtual bytes, open and maximal
/// descriptors, threads, start time.
///
/// # Errors
/// The registry already has them: register once per process, not once per role.
///
/// # Panics
/// Outside a tokio runtime.
pub fn register(registry: &impl Registrar, build: &BuildInfo) -> Result<(), prometheus::Error> {
    let options = Opts::new(
        "quorate_build_info",
        "Version and git revision of the program; always 1.",
    );
    let info = IntGaugeVec::new(options, &["version", "revision"])?;
    let labels = [build.version, build.revision.unwrap_or("unknown")];
    info.with_label_values(&labels).set(1);
    registry.register(Box::new(info))?;
    let runtime = tokio::runtime::Handle::current().metrics();
    registry.register(Box::new(Machine::new(runtime)?))?;
    #[cfg(feature = "allocation-counts")]
    registry.register(Box::new(allocations::Allocations::new()?))?;
    #[cfg(target_os = "linux")]
    registry.register(Box::new(process::Process::default()))?;
    Ok(())
}

/// Registers a collector and returns it, for those who then count with it.
///
/// # Errors
/// The registry already has one of that name and those labels.
pub fn registered<C>(registry: &impl Registrar, collector: C) -> Result<C, prometheus::Error>
where
    C: Collector + Clone + 'static,
{
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::*;

    #[tokio::test]
    async fn the_build_and_the_process_are_described() {
        let registry = Registry::new();
        let build = BuildInfo {
            name: "quorate-test",
            version: "1.2.3",
            revision: Some("abc"),
        };
        register(&registry, &build).expect("the registry is empty");
        let text = prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .expect("names and labels are valid");
        let line = "quorate_build_info{revision=\"abc\",version=\"1.2.3\"} 1\n";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("\nquorate_workers 1\n"), "{text}");
        assert!(text.contains("\nquorate_memory_limit_bytes "), "{text}");
        #[cfg(target_os = "linux")]
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    }

    #[tokio::test]
    async fn registering_twice_is_an_error() {
        let registry = Registry::new();
        let build = BuildInfo::new("quorate-test", "1.2.3");
        register(&registry, &build).expect("the registry is empty");
        let again = register(&registry, &build);
        assert!(matches!(again, Err(prometheus::Error::AlreadyReg)));
    }
}
