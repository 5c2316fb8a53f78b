//! Runs of real runtimes within this process. Signals and real exit codes are in
//! `tests/process.rs`.

use std::future::pending;
use std::sync::mpsc;

use super::*;
use crate::Ending;

/// An error with a cause and a text of several lines.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the store\n  in /data")]
struct Outer(#[source] Middle);

/// An error that repeats its cause.
#[derive(Debug, thiserror::Error)]
#[error("reading the header: {0}")]
struct Middle(#[source] io::Error);

fn outer() -> Outer {
    Outer(Middle(io::Error::other("checksum mismatch")))
}

/// Runs `work`, and returns the code and what was printed.
fn run_captured<T: Termination, E: Into<Box<dyn Error + Send + Sync>>>(
    work: impl Future<Output = Result<T, E>>,
) -> (ExitCode, String) {
    let mut printed = Vec::new();
    let args = RuntimeArgs {
        worker_threads: NonZeroUsize::MIN,
    };
    let code = run_with("quorate-test", &args, work, &mut printed);
    (code, String::from_utf8(printed).expect("the text is UTF-8"))
}

#[test]
fn success_prints_nothing() {
    let work = async { Ok::<_, Outer>(()) };
    assert_eq!(
        run_captured(work),
        (ExitCode::from(exit::OK), String::new())
    );
}

#[test]
fn what_the_work_reports_is_the_code() {
    let work = async { Ok::<_, Outer>(Ending::Abandoned { tasks: 1 }) };
    assert_eq!(run_captured(work).0, ExitCode::from(exit::ABANDONED));
    let work = async { Ok::<_, Outer>(ExitCode::from(42)) };
    assert_eq!(run_captured(work).0, ExitCode::from(42));
}

#[test]
fn an_error_is_one_line_with_its_causes() {
    let work = async { Err::<(), _>(outer()) };
    let line = "quorate-test: cannot open the store in /data: \
                reading the header: checksum mismatch\n";
    assert_eq!(
        run_captured(work),
        (ExitCode::from(exit::FAILURE), line.to_owned())
    );
}

#[test]
fn an_unprintable_error_is_still_a_failure() {
    // A slice without room refuses every write, like a pipe that nobody reads.
    let mut full: &mut [u8] = &mut [];
    let work = async { Err::<(), _>(outer()) };
    let code = run_with("quorate-test", &RuntimeArgs::default(), work, &mut full);
    assert_eq!(code, ExitCode::from(exit::FAILURE));
}

#[test]
fn leftovers_do_not_hold_up_the_end() {
    let (release, blocked) = mpsc::channel::<()>();
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        let work = async {
            tokio::spawn(pending::<()>());
            tokio::task::spawn_blocking(move || blocked.recv());
            Ok::<_, Outer>(())
        };
        ended.send(run_captured(work).0)
    });
    // The blocking call ends only after this.
    let code = end.recv_timeout(Duration::from_secs(60));
    assert_eq!(code, Ok(ExitCode::from(exit::OK)));
    drop(release);
}

#[test]
fn numbers_of_threads_are_bounded() {
    for count in ["1", "8", "1024"] {
        let parsed = worker_threads(count).map(|count| count.to_string());
        assert_eq!(parsed.as_deref(), Ok(count));
    }
    for text in ["", "0", "-1", "1025", "many"] {
        let refused = Err("a number of threads is 1 to 1024".to_owned());
        assert_eq!(worker_threads(text), refused, "{text}");
    }
}
