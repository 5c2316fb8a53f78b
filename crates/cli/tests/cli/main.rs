//! What a user and a script see of `quorate`, against a server in this process.

mod bootstrap;
mod keys;
mod status;
mod support;
mod workloads;
