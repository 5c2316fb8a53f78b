//! The command line as a whole.

use clap::Parser;
use quorate_coordinator::CoordinatorArgs;
use quorate_runtime::RuntimeArgs;

use crate::{
    Context, Exit, Failure, Format, bench, bootstrap, completions, coordinator, delete, dev, get,
    membership, node, set, status, verify,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed; a set or delete was surely not applied
  2  called wrongly, or the store refused an argument
  3  the outcome is unknown: a set or delete may take effect, now or later
  4  get: the key has no value
  5  verify: the history is not linearizable
  6  verify: whether it is could not be decided
  7  status: no quorum, for writes or for any operation, or no config is known

With --output json a result is one line of JSON on the standard output, an error one on the
standard error. Bytes are a string where they are UTF-8; otherwise the field is named
key_base64 or value_base64.";

/// Quorate, a linearizable key-value register store without a leader.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do. Each command has a module with its arguments and what it does.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Run a whole store in this process, with its data in one folder.
    Dev(dev::Args),
    /// Read the value of a key.
    Get(get::Args),
    /// Write a value.
    Set(set::Args),
    /// Delete the value of a key.
    Delete(delete::Args),
    /// Show the store's config and whether its members can be reached.
    Status(status::Args),
    /// Show the members, and whether they are as they should be: the same as `status`.
    Members(status::Args),
    /// Change the number of members.
    Scale(membership::scale::Args),
    /// Take a member's disk out of the store, for the empty one in its place or itself wiped.
    Replace(membership::replace::Args),
    /// Make a lost config anew from what the replicas hold.
    Recover(membership::recover::Args),
    /// Measure throughput and latency.
    Bench(bench::Args),
    /// Check that the store is linearizable, under a concurrent workload.
    Verify(verify::Args),
    /// Make the first config of a new store, from replicas whose disks never held one.
    Bootstrap(bootstrap::Args),
    /// Run both roles in one process, its own replica called directly, its peers over the network.
    Node(node::Args),
    /// Run a coordinator: the same as the program quorate-coordinator.
    Coordinator(Box<CoordinatorArgs>),
    /// Write completions for a shell.
    Completions(completions::Args),
}

impl Command {
    /// How the command uses the machine.
    pub fn runtime(&self) -> RuntimeArgs {
        match self {
            Self::Bench(args) => args.runtime.clone(),
            Self::Verify(args) => args.runtime.clone(),
            Self::Coordinator(args) => args.runtime.clone(),
            Self::Get(_)
            | Self::Set(_)
            | Self::Delete(_)
            | Self::Status(_)
            | Self::Members(_)
            | Self::Scale(_)
            | Self::Replace(_)
            | Self::Recover(_)
            | Self::Dev(_)
            | Self::Node(_)
            | Self::Bootstrap(_)
            | Self::Completions(_) => RuntimeArgs::default(),
        }
    }

    /// Runs the command. A failure of a command that uses a store was reported to the
    /// user already, and is an [`Exit`].
    ///
    /// # Errors
    /// Those of commands that run a store, not reported yet.
    pub async fn run(self, context: &mut Context) -> anyhow::Result<Exit> {
        let (format, result) = match self {
            Self::Dev(args) => return dev::run(args, context).await,
            Self::Node(args) => return node::run(args, context).await,
            Self::Coordinator(args) => return coordinator::run(*args, context).await,
            Self::Bootstrap(args) => (args.output.output, bootstrap::run(args, context).await),
            Self::Get(args) => (args.output.output, get::run(args, context).await),
            Self::Set(args) => (args.output.output, set::run(args, context).await),
            Self::Delete(args) => (args.output.output, delete::run(args, context).await),
            Self::Status(args) => (args.output.output, status::run(args, context).await),
            Self::Members(args) => (args.output.output, status::run(args, context).await),
            Self::Scale(args) => {
                let format = args.change.output.output;
                (format, membership::scale::run(args, context).await)
            }
            Self::Replace(args) => {
                let format = args.change.output.output;
                (format, membership::replace::run(args, context).await)
            }
            Self::Recover(args) => (
                args.output.output,
                membership::recover::run(args, context).await,
            ),
            Self::Bench(args) => (args.output.output, bench::run(args, context).await),
            Self::Verify(args) => (args.output.output, verify::run(args, context).await),
            Self::Completions(args) => (Format::Text, completions::run(&args, context)),
        };
        Ok(result.unwrap_or_else(|failure: Failure| failure.report(context, format)))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["quorate"].iter().chain(arguments))
    }

    #[test]
    fn every_flag_has_help_and_an_environment_variable() {
        quorate_runtime::args::assert_environment_names(Cli::command());
    }

    #[test]
    fn clap_finds_no_mistake() {
        Cli::command().debug_assert();
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, expected) in [
            (&["get"][..], "<KEY>"),
            (&["set", "k"], "<VALUE>"),
            (&["set", "k", "v", "--file", "f"], "--file <PATH>"),
            (
                &["get", "k", "--endpoint", "nowhere"],
                "an address is `host:port`",
            ),
            (
                &["get", "k", "--timeout", "10"],
                "such as 500ms, 10s, 2m or 1h",
            ),
            (&["bench", "--concurrency", "0"], "0 is not in 1..=65536"),
            (&["bench", "--operations", "put"], "set, get, mixed"),
            (&["verify", "--clients", "0"], "clients"),
            (
                &["verify", "--check", "h", "--history", "h"],
                "--history <FILE>",
            ),
        ] {
            let error = parse(arguments).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn values_may_look_like_numbers_and_endpoints_are_a_list() {
        assert!(parse(&["set", "temperature", "-5.5"]).is_ok());
        assert!(parse(&["set", "k", "--", "--flag"]).is_ok());
        let endpoints = ["get", "k", "-e", "a:1,b:2", "--endpoint", "http://c:3"];
        let Command::Get(args) = parse(&endpoints).unwrap().command else {
            panic!("it is a get");
        };
        assert!(format!("{args:?}").contains(r#"["a:1", "b:2", "http://c:3"]"#));
    }

    /// What is in flight when the store vanishes is waited for after the time is over.
    #[test]
    fn verify_waits_less_long_for_an_operation_than_others() {
        let timeout = |arguments: &[&str]| match parse(arguments).unwrap().command {
            Command::Verify(args) => args.connection.timeout,
            Command::Get(args) => args.connection.timeout,
            _ => panic!("it is one of these"),
        };
        let seconds = std::time::Duration::from_secs;
        assert_eq!(timeout(&["get", "k"]), seconds(10));
        assert_eq!(timeout(&["verify"]), seconds(5));
        assert_eq!(timeout(&["verify", "--timeout", "20s"]), seconds(20));
    }

    #[test]
    fn help_has_the_exit_codes() {
        let error = parse(&["--help"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DisplayHelp);
        let help = error.to_string();
        for code in 0..=7 {
            assert!(help.contains(&format!("\n  {code}  ")), "{help}");
        }
    }
}
