//! Generates the messages, clients and servers of `quorate.v1`, without protoc.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

const FILES: [&str; 4] = [
    "quorate/v1/config.proto",
    "quorate/v1/membership.proto",
    "quorate/v1/register.proto",
    "quorate/v1/replica.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=proto");

    let mut compiler = protox::Compiler::new(["proto"])?;
    // Comments are kept, so that reflection and rustdoc show them.
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(FILES)?;

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out.join("quorate.v1.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    tonic_prost_build::configure()
        // Decoding shares the received buffer instead of copying values out of it.
        .bytes(".")
        .codec_path("crate::codec::SmallBuffers")
        // Rare and large: it would make every answer as large.
        .boxed(".quorate.v1.ExchangeAnswer.answer.refusal")
        .boxed(".quorate.v1.RegisterExchangeAnswer.answer.failure")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
