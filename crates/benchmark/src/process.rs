//! A server process that does not outlive this one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How many lines of its log a process that ended is quoted with.
const QUOTED_LINES: usize = 5;

/// A server of one of the systems; killed when dropped, paused or not.
pub(crate) struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts it; what it says goes to a file in `folder`.
    pub(crate) fn start(
        name: &str,
        program: &Path,
        arguments: Vec<String>,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let child = spawn(program, &arguments, &log)?;
        Ok(Self {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments,
            log,
            child,
        })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGSTOP: it keeps its memory and connections, and uses no processor.
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        // It has not been waited for, so the id is still its own.
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// kill -9, and waits for its end.
    pub(crate) fn kill(&mut self) {
        // That it has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, as it was started first. It has ended.
    pub(crate) fn restart(&mut self) -> anyhow::Result<()> {
        self.child = spawn(&self.program, &self.arguments, &self.log)?;
        Ok(())
    }

    /// # Errors
    /// When it has ended; the error quotes its log.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        // The state follows the name in parentheses; a process that ended is a zombie until
        // it is waited for.
        match stat.rsplit_once(") ") {
            Some((_, rest)) if !rest.starts_with('Z') => Ok(()),
            _ => bail!(
                "{} has ended; it said last:\n{}",
                self.name,
                self.last_words()
            ),
        }
    }

    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
    }
}

fn spawn(program: &Path, arguments: &[String], log: &Path) -> anyhow::Result<Child> {
    let log = File::options().create(true).append(true).open(log)?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn sleeper(folder: &Path) -> Process {
        let seconds = vec!["1000".to_owned()];
        Process::start("sleeper", Path::new("sleep"), seconds, folder).unwrap()
    }

    fn exists(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn it_ends_with_its_owner_even_when_paused() {
        let folder = tempfile::tempdir().unwrap();
        let process = sleeper(folder.path());
        let pid = process.id();
        process.pause().unwrap();
        process.check().unwrap();
        assert!(exists(pid));
        drop(process);
        assert!(!exists(pid));
    }

    #[test]
    fn it_ends_when_its_owner_panics() {
        let folder = tempfile::tempdir().unwrap();
        let panicked = catch_unwind(|| {
            let process = sleeper(folder.path());
            std::panic::panic_any(process.id());
        });
        let pid = *panicked.unwrap_err().downcast::<u32>().unwrap();
        assert!(!exists(pid));
    }

    #[test]
    fn one_that_was_killed_is_noticed_and_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = sleeper(folder.path());
        let first = process.id();
        process.kill();
        let error = process.check().unwrap_err().to_string();
        assert!(error.starts_with("sleeper has ended"), "{error}");
        process.restart().unwrap();
        process.check().unwrap();
        assert_ne!(process.id(), first);
        assert!(exists(process.id()));
    }

    #[test]
    fn last_words_are_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = vec!["-c".to_owned(), "echo one; echo two >&2".to_owned()];
        let mut process =
            Process::start("speaker", Path::new("sh"), arguments, folder.path()).unwrap();
        process.child.wait().unwrap();
        let error = process.check().unwrap_err().to_string();
        assert!(error.ends_with("it said last:\none\ntwo"), "{error}");
    }
}
