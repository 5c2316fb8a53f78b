//! What a program was told on its command line and by its environment.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command, Parser};
use serde_json::{Map, Value};

/// What stands in place of a value that must not be shown.
const HIDDEN: &str = "(hidden)";

/// The arguments of a program, and how to show them.
#[derive(Debug, Clone)]
pub struct Parsed<A> {
    /// The arguments.
    pub args: A,
    /// Name of each flag to its value as it was written, defaults included, for
    /// [`Admin::settings`](crate::Admin::settings). Values of arguments that are declared
    /// `hide_env_values`, which keeps them out of `--help`, are hidden here too.
    pub settings: Value,
}

/// Parses the program's arguments and environment. On a mistake, and for `--help` and
/// `--version`, it prints and ends the process as clap does (with 2 after a mistake).
pub fn parse<A: Parser>() -> Parsed<A> {
    try_parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// Parses `arguments`, the first of which is the program's name, and the environment.
///
/// # Errors
/// A mistake in them, `--help` or `--version`: clap's error, whose text is for the user.
pub fn try_parse_from<A: Parser>(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Parsed<A>, clap::Error> {
    let mut command = A::command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let args = A::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    let settings = settings(&command, &matches);
    Ok(Parsed { args, settings })
}

/// The values of a command's arguments; those of a subcommand under its name.
fn settings(command: &Command, matches: &ArgMatches) -> Value {
    let mut settings = Map::new();
    for argument in command.get_arguments() {
        let name = argument.get_long().unwrap_or(argument.get_id().as_str());
        if let Some(value) = value(argument, matches) {
            settings.insert(name.to_owned(), value);
        }
    }
    if let Some((name, matches)) = matches.subcommand()
        && let Some(command) = command.find_subcommand(name)
    {
        settings.insert(name.to_owned(), self::settings(command, matches));
    }
    Value::Object(settings)
}

/// The value of one argument: a list if it can be repeated. `None` if it was not given.
fn value(argument: &Arg, matches: &ArgMatches) -> Option<Value> {
    let raw = matches.try_get_raw(argument.get_id().as_str()).ok()??;
    if argument.is_hide_env_values_set() {
        return Some(Value::from(HIDDEN));
    }
    let mut values: Vec<Value> = raw
        .map(|value| Value::from(value.to_string_lossy()))
        .collect();
    match argument.get_action() {
        clap::ArgAction::Append => Some(Value::Array(values)),
        _ => values.pop(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A program with one of each kind of argument.
    #[derive(Debug, Parser)]
    struct Example {
        #[arg(long, default_value = "10s")]
        limit: String,
        #[arg(long)]
        absent: Option<String>,
        #[arg(long)]
        reflection: bool,
        #[arg(long)]
        endpoint: Vec<String>,
        #[arg(long, hide_env_values = true)]
        token: Option<String>,
        #[command(subcommand)]
        command: Option<Sub>,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Sub {
        Dev {
            #[arg(long)]
            replicas: u8,
        },
    }

    fn parse(arguments: &[&str]) -> Parsed<Example> {
        let arguments = ["example"].iter().chain(arguments).map(OsString::from);
        try_parse_from(arguments).expect("the arguments are valid")
    }

    #[test]
    fn values_are_shown_as_they_were_written() {
        let parsed = parse(&["--endpoint", "a:1", "--endpoint", "b:2", "--reflection"]);
        assert_eq!(parsed.args.endpoint, ["a:1", "b:2"]);
        let expected = json!({
            "limit": "10s",
            "reflection": "true",
            "endpoint": ["a:1", "b:2"],
        });
        assert_eq!(parsed.settings, expected);
    }

    #[test]
    fn secrets_are_hidden() {
        let parsed = parse(&["--token", "swordfish"]);
        assert_eq!(parsed.args.token.as_deref(), Some("swordfish"));
        assert_eq!(parsed.settings["token"], HIDDEN);
        assert!(!parsed.settings.to_string().contains("swordfish"));
    }

    #[test]
    fn a_subcommand_is_nested() {
        let parsed = parse(&["dev", "--replicas", "5"]);
        assert_eq!(parsed.settings["dev"], json!({ "replicas": "5" }));
    }

    #[test]
    fn mistakes_are_named() {
        let arguments = ["example", "--limitt", "1s"].map(OsString::from);
        let error = try_parse_from::<Example>(arguments).expect_err("there is no such flag");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--limitt"), "{error}");
    }
}
