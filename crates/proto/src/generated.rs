//! What `build.rs` makes of the `.proto` files.

/// Messages, clients and servers of the package `quorate.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all)]
pub mod v1 {
    tonic::include_proto!("quorate.v1");
}

/// The encoded `google.protobuf.FileDescriptorSet` of the package, comments included: what
/// reflection shows.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/quorate.v1.bin"));
