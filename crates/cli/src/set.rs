//! `quorate set`: writes a key.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use bytes::Bytes;
use quorate_client::{Key, Register, Version};
use serde_json::{Map, Value};

use crate::{ConnectionArgs, Context, Exit, Failure, Format, KeyArgs, OutputArgs, bytes_json};

/// No store takes a value that is longer, however it is set.
const MAX_VALUE_BYTES: u64 = 64 * 1024 * 1024;

/// Arguments of `set`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    key: KeyArgs,

    /// The value, or - for what the standard input has, every byte of it.
    #[arg(
        required_unless_present = "file",
        conflicts_with = "file",
        allow_negative_numbers = true
    )]
    value: Option<OsString>,

    /// Take the value from this file.
    #[arg(long, short, env = "QUORATE_SET_FILE", value_name = "PATH")]
    file: Option<PathBuf>,

    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Writes the value, and says which version it became.
pub(crate) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let key = args.key.key()?;
    let value = value(args.value, args.file, context)?;
    let client = args.connection.client()?;
    let version = client.set(&key, value, None).await;
    let version = version.map_err(Failure::of("set"))?;
    write_version(&key, version, args.output.output, context)
}

/// Says which version a write became.
pub(crate) fn write_version(
    key: &Key,
    version: Version,
    format: Format,
    context: &mut Context,
) -> Result<Exit, Failure> {
    match format {
        Format::Text => context.write_line(&format!("ok, version {version}"))?,
        Format::Json => {
            let mut object = Map::new();
            bytes_json::insert(&mut object, "key", key.bytes());
            object.insert("version".to_owned(), Value::from(version.to_string()));
            context.write_json(&object)?;
        }
    }
    Ok(Exit::DONE)
}

fn value(
    value: Option<OsString>,
    file: Option<PathBuf>,
    context: &mut Context,
) -> Result<Bytes, Failure> {
    if let Some(path) = file {
        let name = path.display().to_string();
        let file = File::open(&path).map_err(|error| unreadable(&name, &error))?;
        return read(file, &name);
    }
    let value = value.unwrap_or_default();
    if value == "-" {
        return read(&mut context.input, "the standard input");
    }
    Ok(value.into_vec().into())
}

fn read(input: impl Read, name: &str) -> Result<Bytes, Failure> {
    let mut bytes = Vec::new();
    let read = input.take(MAX_VALUE_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(name, &error))?;
    if bytes.len() as u64 > MAX_VALUE_BYTES {
        return Err(Failure::Usage(format!(
            "{name} has more than {MAX_VALUE_BYTES} bytes, which no store takes as a value"
        )));
    }
    Ok(bytes.into())
}

fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    Failure::File(format!("cannot read {name}: {error}"))
}
