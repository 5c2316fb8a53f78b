//! What was built.

/// Names a program and what it was built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildInfo {
    /// Name of the program, such as `quorate-replica`.
    pub name: &'static str,
    /// Its version, as in its `Cargo.toml`.
    pub version: &'static str,
    /// The git commit, when the build knew it.
    pub revision: Option<&'static str>,
}

impl BuildInfo {
    /// Describes this build. A program passes its own `env!("CARGO_PKG_VERSION")`; the
    /// revision is what the environment variable `QUORATE_REVISION` said at build time, and
    /// without it, for release builds, the commit that was checked out (`build.rs`).
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        let revision = option_env!("QUORATE_REVISION");
        Self {
            name,
            version,
            revision,
        }
    }
}
