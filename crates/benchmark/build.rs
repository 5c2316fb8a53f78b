//! Generates the messages and the client of the part of etcd's interface that is used,
//! without protoc.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(["etcd.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .build_server(false)
        // As Quorate's own messages: what is received is shared, not copied.
        .bytes(".")
        .compile_fds(files)?;
    Ok(())
}
