//! However a quorum call ends, everything that it began ends with it.
//!
//! Each test has 10,000 operations end in one of the four ways, at random points, over replicas
//! that answer, hang, refuse or die. Before and after, the tasks of the runtime, the open
//! descriptors of the process, the coordinator's own guards and the requests in flight at the
//! replicas are counted: they must be equal.
#![cfg(target_os = "linux")]

mod in_process;
mod over_tcp;
#[path = "../support/mod.rs"]
mod support;
