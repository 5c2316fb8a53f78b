//! The rules that every flag of every program keeps.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command};

/// Every environment variable of ours begins with it.
const PREFIX: &str = "QUORATE_";

/// Those that OpenTelemetry names, for every program, begin with this.
const OPEN_TELEMETRY: &str = "OTEL_";

/// Asserts, for a test of each program, that every argument of `command` and its
/// subcommands has a sentence of help, and every flag an environment variable of its own
/// that begins with `QUORATE_` (or `OTEL_`, where OpenTelemetry names it) and that no Kubernetes *service link* can set.
///
/// For each Service of a namespace, Kubernetes sets variables in every pod, such as
/// `QUORATE_PORT=tcp://10.0.0.1:7400` for a Service named `quorate`. A flag that took its
/// value from one of them would break at a user's whose Service has that name.
///
/// # Panics
/// If an argument breaks a rule; the message lists all that do.
#[track_caller]
pub fn assert_environment_names(command: Command) {
    let mut problems = Vec::new();
    check(&command, &mut BTreeMap::new(), &mut problems);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Collects what is wrong. `owners` has the flag that each variable belongs to: the same
/// flag of several subcommands may share one.
fn check(command: &Command, owners: &mut BTreeMap<String, String>, problems: &mut Vec<String>) {
    for argument in command.get_arguments().filter(|argument| is_own(argument)) {
        let name = argument.get_long().unwrap_or(argument.get_id().as_str());
        let found = argument_problems(argument, owners);
        let named = found
            .iter()
            .map(|problem| format!("{} --{name}: {problem}", command.get_name()));
        problems.extend(named);
    }
    for subcommand in command.get_subcommands() {
        check(subcommand, owners, problems);
    }
}

/// Whether the argument is the program's, and not one that clap brings along.
fn is_own(argument: &Arg) -> bool {
    use ArgAction::{Help, HelpLong, HelpShort, Version};
    !matches!(argument.get_action(), Help | HelpLong | HelpShort | Version)
}

/// What is wrong with one argument.
fn argument_problems(argument: &Arg, owners: &mut BTreeMap<String, String>) -> Vec<String> {
    let mut problems = Vec::new();
    if !has_sentence(argument) {
        problems.push("its help is not a sentence".to_owned());
    }
    // A key or a file to act on is given where it is used, never by the environment.
    if argument.is_positional() {
        return problems;
    }
    let Some(variable) = argument.get_env().map(|name| name.to_string_lossy()) else {
        problems.push("it has no environment variable".to_owned());
        return problems;
    };
    if !is_ours(&variable) {
        problems.push(format!(
            "{variable} is not {PREFIX} or {OPEN_TELEMETRY} and A to Z, 0 to 9, _"
        ));
    }
    if is_service_link(&variable) {
        problems.push(format!("{variable} could be set by a service link"));
    }
    let flag = argument.get_id().as_str();
    let owner = owners.entry(variable.to_string());
    let owner = owner.or_insert_with(|| flag.to_owned());
    if owner != flag {
        problems.push(format!("{variable} is also the variable of {owner}"));
    }
    problems
}

/// Whether the help begins with a capital and has at least three words. Clap's derive drops
/// the full stop of a doc comment, so that cannot be asked for.
fn has_sentence(argument: &Arg) -> bool {
    let help = argument.get_long_help().or(argument.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    help.starts_with(char::is_uppercase) && help.split_whitespace().count() >= 3
}

/// Whether the name has our prefix, then something, and only the usual characters.
fn is_ours(variable: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let own = variable.strip_prefix(PREFIX);
    let own = own.or_else(|| variable.strip_prefix(OPEN_TELEMETRY));
    own.is_some_and(|own| !own.is_empty() && own.bytes().all(usual))
}

/// Whether a Service of some name would set this variable: one of `X_SERVICE_HOST`,
/// `X_SERVICE_PORT`, `X_SERVICE_PORT_<port name>`, `X_PORT`, `X_PORT_<number>_<protocol>`
/// and the last one with `_PROTO`, `_PORT` or `_ADDR`, where X is the Service's name.
fn is_service_link(variable: &str) -> bool {
    variable.ends_with("_SERVICE_HOST")
        || variable.ends_with("_PORT")
        || variable.contains("_SERVICE_PORT_")
        || variable.match_indices("_PORT_").any(|(at, separator)| {
            let rest = &variable[at + separator.len()..];
            let number = rest.split('_').next().unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(name: &'static str, variable: &'static str, help: &'static str) -> Arg {
        Arg::new(name).long(name).env(variable).help(help)
    }

    fn problems(arguments: &[Arg]) -> Vec<String> {
        let mut problems = Vec::new();
        let command = Command::new("example").args(arguments);
        check(&command, &mut BTreeMap::new(), &mut problems);
        problems
    }

    #[test]
    fn a_good_program_passes() {
        let listen = flag("listen", "QUORATE_LISTEN", "Address to listen on.");
        let key = Arg::new("key").help("The key to read.");
        let read = Command::new("read").arg(listen.clone()).arg(key);
        let write = Command::new("write").arg(listen);
        let command = Command::new("example").version("1");
        assert_environment_names(command.subcommand(read).subcommand(write));
    }

    #[test]
    fn our_own_arguments_pass() {
        use clap::Args;
        let command = crate::telemetry::LogArgs::augment_args(Command::new("example"));
        let command = crate::RuntimeArgs::augment_args(command);
        let command = crate::ShutdownArgs::augment_args(command);
        assert!(command.get_arguments().count() >= 5);
        assert_environment_names(command);
    }

    #[test]
    fn each_broken_rule_is_named() {
        let help = "A good sentence of help.";
        for (argument, expected) in [
            (
                flag("a", "QUORATE_A", "Short."),
                "its help is not a sentence",
            ),
            (
                flag("a", "QUORATE_A", "no capital at all"),
                "its help is not a sentence",
            ),
            (
                Arg::new("a").long("a").help(help),
                "it has no environment variable",
            ),
            (flag("a", "LISTEN", help), "LISTEN is not QUORATE_"),
            (flag("a", "QUORATE_", help), "QUORATE_ is not QUORATE_"),
            (flag("a", "QUORATE_a", help), "QUORATE_a is not QUORATE_"),
            (
                flag("a", "QUORATE_PORT", help),
                "could be set by a service link",
            ),
            (Arg::new("a"), "its help is not a sentence"),
        ] {
            let problems = problems(&[argument]);
            assert_eq!(problems.len(), 1, "{expected}: {problems:?}");
            assert!(problems[0].contains(expected), "{problems:?}");
        }
    }

    #[test]
    fn two_flags_may_not_share_a_variable() {
        let help = "A good sentence of help.";
        let arguments = [flag("a", "QUORATE_X", help), flag("b", "QUORATE_X", help)];
        let shared = "example --b: QUORATE_X is also the variable of a";
        assert_eq!(problems(&arguments), [shared]);
    }

    #[test]
    #[should_panic(expected = "it has no environment variable")]
    fn a_subcommands_problem_panics() {
        let argument = Arg::new("a").long("a").help("A good sentence of help.");
        let subcommand = Command::new("sub").arg(argument);
        assert_environment_names(Command::new("example").subcommand(subcommand));
    }

    #[test]
    fn service_links_are_told_from_other_names() {
        for name in [
            "QUORATE_SERVICE_HOST",
            "QUORATE_REPLICA_SERVICE_HOST",
            "QUORATE_SERVICE_PORT",
            "QUORATE_SERVICE_PORT_GRPC",
            "QUORATE_PORT",
            "QUORATE_ADMIN_PORT",
            "QUORATE_PORT_7400_TCP",
            "QUORATE_PORT_7400_TCP_PROTO",
            "QUORATE_PORT_7400_TCP_PORT",
            "QUORATE_REPLICA_PORT_53_UDP_ADDR",
        ] {
            assert!(is_service_link(name), "{name}");
        }
        for name in [
            "QUORATE_LISTEN",
            "QUORATE_ADMIN_LISTEN",
            "QUORATE_IMPORT",
            "QUORATE_SUPPORT_LEVEL",
            "QUORATE_SERVICE_NAME",
            "QUORATE_PORT_RANGE",
        ] {
            assert!(!is_service_link(name), "{name}");
        }
    }
}
