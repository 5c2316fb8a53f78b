//! The durable store against files that are healthy, failing, torn, damaged and missing.

mod basics;
mod blobs;
mod crash;
mod damage;
mod damage_directory;
mod failing;
mod fjall_issues;
mod hooked;
mod kill;
mod missing;
mod model;
mod pending;
mod retired;
mod sample;
mod segments;
mod support;
mod torn;
mod volatile;
