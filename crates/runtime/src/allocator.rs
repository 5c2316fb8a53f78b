//! The allocator of every Quorate program.
//!
//! It is mimalloc, which saves 10 to 25 % of the processor time of a small call. With the feature
//! `allocation-counts` it is the system's, and each allocation is counted: [`metrics`] then has
//! `quorate_allocations_total` and `quorate_allocated_bytes_total`. What is asked for does not
//! depend on who answers, so the counts are those of mimalloc too.
//!
//! [`metrics`]: crate::metrics::register

#[cfg(feature = "allocation-counts")]
pub use counted::{ALLOCATOR, Allocator};
#[cfg(not(feature = "allocation-counts"))]
pub use plain::{ALLOCATOR, Allocator};

#[cfg(not(feature = "allocation-counts"))]
mod plain {
    /// The type of a program's global allocator.
    pub type Allocator = mimalloc::MiMalloc;

    /// A program's global allocator.
    pub const ALLOCATOR: Allocator = mimalloc::MiMalloc;
}

#[cfg(feature = "allocation-counts")]
mod counted {
    use std::alloc::System;

    use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

    /// The type of a program's global allocator.
    pub type Allocator = &'static StatsAlloc<System>;

    /// A program's global allocator.
    pub const ALLOCATOR: Allocator = &INSTRUMENTED_SYSTEM;
}
