//! etcd: three members, and a register over its interface.

mod cluster;
mod register;

/// The generated part of etcd's interface.
#[allow(missing_docs, reason = "the proto file says it")]
#[allow(unreachable_pub, reason = "generated code is public")]
#[allow(clippy::all, reason = "generated code is not ours to tidy")]
mod interface {
    tonic::include_proto!("etcdserverpb");
}

pub(crate) use cluster::{EtcdCluster, EtcdTarget};
