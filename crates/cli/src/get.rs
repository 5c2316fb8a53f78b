//! `quorate get`: reads a key.

use quorate_client::{Entry, Key, Register, Version};
use serde_json::{Map, Value};

use crate::{ConnectionArgs, Context, Exit, Failure, Format, KeyArgs, OutputArgs, bytes_json};

/// Arguments of `get`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Writes the value as it is; on a terminal with a line break behind it, and escaped if it
/// is no text.
pub(crate) async fn run(args: Args, context: &mut Context) -> Result<Exit, Failure> {
    let key = args.key.key()?;
    let client = args.connection.client()?;
    let entry = client.get(&key, None).await.map_err(Failure::of("get"))?;
    if args.output.output == Format::Json {
        context.write_json(&json(&key, &entry))?;
    }
    let Some(value) = entry.value else {
        if args.output.output == Format::Text {
            context.note(&format!("{} has no value", key.bytes().escape_ascii()));
        }
        return Ok(Exit::NO_VALUE);
    };
    if args.output.output == Format::Text {
        write_value(&value, context)?;
    }
    Ok(Exit::DONE)
}

fn write_value(value: &[u8], context: &mut Context) -> Result<(), Failure> {
    if !context.terminal.output {
        return context.write(value);
    }
    match std::str::from_utf8(value) {
        Ok(text) if !text.chars().any(is_harmful) => context.write_line(text),
        // Control characters could do anything to the terminal.
        _ => {
            context.write_line(&value.escape_ascii().to_string())?;
            let bytes = value.len();
            context.note(&format!(
                "the value has {bytes} bytes, not all of them text, shown escaped; redirect the output to get them"
            ));
            Ok(())
        }
    }
}

fn is_harmful(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t')
}

fn json(key: &Key, entry: &Entry) -> Map<String, Value> {
    let mut object = Map::new();
    bytes_json::insert(&mut object, "key", key.bytes());
    match &entry.value {
        Some(value) => bytes_json::insert(&mut object, "value", value),
        None => {
            object.insert("value".to_owned(), Value::Null);
        }
    }
    let version = match entry.version {
        Version::NEVER => Value::Null,
        version => version.to_string().into(),
    };
    object.insert("version".to_owned(), version);
    object
}
