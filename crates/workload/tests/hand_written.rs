//! Small histories whose verdict is known: good ones, and each classic anomaly.

mod common;

use common::{brute_force, key};
use quorate_workload::{Action, Anomaly, History, Limits, Operation, Outcome, Verdict, check};

/// An operation per line: `client what start end [outcome]`, where what is `set:a`,
/// `get:a`, `get` for a get of nothing, or `delete`, and the outcome is `?` or `failed`.
fn history(text: &str) -> History {
    let operation = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (what, value) = words[1].split_once(':').unwrap_or((words[1], ""));
        Operation {
            client: words[0].parse().unwrap(),
            key: key(),
            action: match (what, value) {
                ("set", value) => Action::Set(value.to_owned().into()),
                ("get", "") => Action::Get(None),
                ("get", value) => Action::Get(Some(value.to_owned().into())),
                ("delete", _) => Action::Delete,
                other => panic!("{other:?}"),
            },
            start_ns: words[2].parse().unwrap(),
            end_ns: words[3].parse().unwrap(),
            outcome: match words.get(4) {
                None => Outcome::Ok,
                Some(&"?") => Outcome::Unknown,
                Some(&"failed") => Outcome::Fail,
                Some(other) => panic!("{other}"),
            },
            version: None,
        }
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(operation).collect()
}

const GOOD: &[(&str, &str)] = &[
    ("nothing at all", ""),
    ("a key that was never written", "1 get 0 1"),
    (
        "one after the other",
        "1 set:a 0 1
                             1 get:a 2 3
                             1 set:b 4 5
                             1 get:b 6 7",
    ),
    (
        "a get during a set sees it or not",
        "1 set:a 0 9
                                           2 get 1 2
                                           3 get:a 3 4",
    ),
    (
        "two sets at once, in either order",
        "1 set:a 0 9
                                           2 set:b 0 9
                                           3 get:b 10 11",
    ),
    (
        "the same in the other order",
        "1 set:a 0 9
                                     2 set:b 0 9
                                     3 get:a 10 11",
    ),
    (
        "gets see both of two sets at once",
        "1 set:a 0 9
                                           2 set:b 0 9
                                           3 get:b 1 4
                                           3 get:a 5 8",
    ),
    (
        "a deleted key",
        "1 set:a 0 1
                       1 delete 2 3
                       2 get 4 5",
    ),
    (
        "a delete of nothing",
        "1 delete 0 1
                             1 get 2 3",
    ),
    (
        "a get during a delete sees it or not",
        "1 set:a 0 1
                                              1 delete 2 9
                                              2 get 3 4
                                              3 get 5 6",
    ),
    (
        "a key written again after a delete",
        "1 set:a 0 1
                                            1 delete 2 3
                                            1 set:a 4 5
                                            2 get:a 6 7",
    ),
    (
        "an unknown set that takes effect late",
        "1 set:a 0 1
                                               1 set:b 2 3 ?
                                               2 get:a 4 5
                                               2 get:b 90 91",
    ),
    (
        "an unknown set that never does",
        "1 set:a 0 1
                                        1 set:b 2 3 ?
                                        2 get:a 90 91",
    ),
    (
        "an unknown delete that takes effect late",
        "1 set:a 0 1
                                                  1 delete 2 3 ?
                                                  2 get:a 4 5
                                                  2 get 90 91",
    ),
    (
        "two unknown deletes for two absences",
        "1 delete 0 1 ?
                                              2 delete 0 1 ?
                                              3 set:a 2 3
                                              3 get 4 5
                                              3 set:b 6 7
                                              3 get 8 9",
    ),
    (
        "a failed set that nobody sees",
        "1 set:a 0 1
                                       1 set:b 2 3 failed
                                       2 get:a 4 5",
    ),
    (
        "a get that failed returned nothing",
        "1 set:a 0 1
                                            2 get 2 3 failed
                                            2 get 4 5 ?",
    ),
    (
        "the same value twice",
        "1 set:a 0 1
                              1 set:b 2 3
                              1 set:a 4 5
                              2 get:a 6 7",
    ),
    (
        "an overwritten value in a get that lasts",
        "1 set:a 0 1
                                                  2 get:a 2 9
                                                  1 set:b 3 4
                                                  3 get:b 5 6",
    ),
    (
        "events at the same time are concurrent",
        "1 set:a 0 5
                                                2 get 5 5",
    ),
    (
        "a set that overlaps its overwriting delete",
        "1 set:a 0 9
                                                    2 delete 1 8
                                                    3 get:a 10 11",
    ),
    (
        "a crowd that writes at once",
        "1 set:a 0 9
                                     2 set:b 0 9
                                     3 set:c 0 9
                                     4 delete 0 9
                                     5 get:c 1 2
                                     5 get 3 4
                                     5 get:a 5 6
                                     5 get:b 10 11",
    ),
];

const BAD: &[(&str, Anomaly, &str)] = &[
    (
        "stale read",
        Anomaly::CameBack,
        "1 set:a 0 1
                                       1 set:b 2 3
                                       2 get:a 4 5",
    ),
    (
        "lost update",
        Anomaly::CameBack,
        "1 set:a 0 1
                                        2 get 2 3",
    ),
    (
        "lost update of an existing key",
        Anomaly::CameBack,
        "1 set:a 0 1
                                                           2 set:b 2 3
                                                           3 set:c 4 5
                                                           1 get:b 6 7",
    ),
    (
        "read of a failed write",
        Anomaly::FailedWriteRead,
        "1 set:a 0 1 failed
                                                          2 get:a 2 3",
    ),
    (
        "value from nowhere",
        Anomaly::NeverWritten,
        "1 set:a 0 1
                                                   2 get:x 2 3",
    ),
    (
        "read of a future write",
        Anomaly::NotYetWritten,
        "1 get:a 0 1
                                                        2 set:a 2 3",
    ),
    (
        "new-old inversion",
        Anomaly::CameBack,
        "1 set:a 0 1
                                              1 set:b 2 9
                                              2 get:b 3 4
                                              3 get:a 5 6",
    ),
    (
        "new-old inversion of one client",
        Anomaly::CameBack,
        "1 set:a 0 1
                                                            1 set:b 2 9
                                                            2 get:b 3 4
                                                            2 get:a 5 6",
    ),
    (
        "new-old inversion of a first write",
        Anomaly::CameBack,
        "1 set:a 0 9
                                                               2 get:a 1 2
                                                               3 get 3 4",
    ),
    (
        "resurrected delete",
        Anomaly::CameBack,
        "1 set:a 0 1
                                               1 delete 2 3
                                               2 get:a 4 5",
    ),
    (
        "delete seen, then undone",
        Anomaly::NoOrder,
        "1 set:a 0 1
                                                    1 delete 2 9
                                                    2 get 3 4
                                                    3 get:a 5 6",
    ),
    (
        "lost delete of two",
        Anomaly::CameBack,
        "1 set:a 0 1
                                               1 delete 2 3
                                               1 set:b 4 5
                                               1 delete 6 7
                                               2 get:b 8 9",
    ),
    (
        "unknown set seen, then unseen",
        Anomaly::CameBack,
        "1 set:a 0 1
                                                          1 set:b 2 3 ?
                                                          2 get:b 4 5
                                                          2 get:a 6 7",
    ),
    (
        "unknown delete seen, then unseen",
        Anomaly::NoOrder,
        "1 set:a 0 1
                                                            1 delete 2 3 ?
                                                            2 get 4 5
                                                            2 get:a 6 7",
    ),
    (
        "unknown first set seen, then unseen",
        Anomaly::CameBack,
        "1 set:a 0 1 ?
                                                                2 get:a 2 3
                                                                2 get 4 5",
    ),
    (
        "unknown set seen before it began",
        Anomaly::NotYetWritten,
        "2 get:a 0 1
                                                                  1 set:a 2 3 ?",
    ),
    (
        "one unknown delete for two absences",
        Anomaly::NoOrder,
        "1 delete 0 1 ?
                                                               3 set:a 2 3
                                                               3 get 4 5
                                                               3 set:b 6 7
                                                               3 get 8 9",
    ),
    (
        "failed delete seen",
        Anomaly::CameBack,
        "1 set:a 0 1
                                               1 delete 2 3 failed
                                               2 get 4 5",
    ),
    (
        "two gets disagree on the order of two sets",
        Anomaly::CameBack,
        "1 set:a 0 9
                                                                       2 set:b 0 9
                                                                       3 get:a 10 11
                                                                       3 get:b 12 13",
    ),
    (
        "gets see two sets back and forth",
        Anomaly::CameBack,
        "1 set:a 0 9
                                                             2 set:b 0 9
                                                             3 get:a 1 2
                                                             3 get:b 3 4
                                                             3 get:a 5 6",
    ),
    (
        "a write hidden under nothing",
        Anomaly::CameBack,
        "1 set:a 0 1
                                                         2 set:b 2 3
                                                         3 get:a 2 9
                                                         3 get:a 10 11",
    ),
    (
        "stale read of a value written twice",
        Anomaly::CameBack,
        "1 set:a 0 1
                                                                1 set:a 2 3
                                                                1 set:b 4 5
                                                                2 get:a 6 7",
    ),
    (
        "three values in a circle",
        Anomaly::CameBack,
        "1 set:a 0 20
                                                     2 set:b 0 20
                                                     3 set:c 0 20
                                                     4 get:a 1 2
                                                     4 get:b 3 4
                                                     4 get:c 5 6
                                                     4 get:a 7 8",
    ),
    (
        "a stale read of a deleted and rewritten key",
        Anomaly::CameBack,
        "1 set:a 0 1
                                                                        1 delete 2 3
                                                                        1 set:b 4 5
                                                                        2 get 6 7",
    ),
];

#[test]
fn good_histories_are_linearizable() {
    for (name, text) in GOOD {
        let history = history(text);
        let verdict = check(&history, Limits::default()).verdict;
        assert_eq!(verdict, Verdict::Linearizable, "{name}");
        assert!(
            history.operations.is_empty() || brute_force(&history),
            "{name}"
        );
    }
}

#[test]
fn each_classic_anomaly_is_a_violation() {
    for (name, anomaly, text) in BAD {
        let history = history(text);
        let report = check(&history, Limits::default());
        let Verdict::Violation(witness) = &report.verdict else {
            panic!("{name}: {report}");
        };
        assert_eq!(witness.anomaly, *anomaly, "{name}: {witness}");
        assert!(!brute_force(&history), "{name}");
        let alone: History = witness.operations.iter().cloned().collect();
        assert!(!brute_force(&alone), "{name}: {witness}");
    }
}

/// An anomaly amid much that is in order is cut down to itself.
#[test]
fn the_witness_leaves_out_what_is_in_order() {
    for (name, anomaly, text) in BAD {
        let mut noisy = history(text);
        let size = noisy.operations.len();
        for operation in &mut noisy.operations {
            operation.start_ns += 10_000;
            operation.end_ns += 10_000;
        }
        for number in 0..200_u64 {
            let start = 20 * number + if number >= 100 { 20_000 } else { 0 };
            let lines = format!(
                "7 set:n{number} {start} {}
                 8 get:n{number} {} {}
                 7 delete {} {}
                 8 get {} {}",
                start + 3,
                start + 4,
                start + 5,
                start + 6,
                start + 8,
                start + 9,
                start + 10
            );
            noisy.operations.extend(history(&lines).operations);
        }
        let report = check(&noisy, Limits::default());
        let Verdict::Violation(witness) = &report.verdict else {
            panic!("{name}: {report}");
        };
        // A delete before, which an absence may come from, may have to be among them.
        assert!(
            [*anomaly, Anomaly::NoOrder].contains(&witness.anomaly),
            "{name}: {witness}"
        );
        assert!(witness.operations.len() <= size + 1, "{name}: {witness}");
    }
}

#[test]
fn keys_are_judged_apart_and_the_key_is_named() {
    let mut both = history(GOOD[2].1);
    for operation in history(BAD[0].2).operations {
        let key = quorate_register::Key::new("other").unwrap();
        both.operations.push(Operation { key, ..operation });
    }
    let report = check(&both, Limits::default());
    let Verdict::Violation(witness) = report.verdict else {
        panic!("{report}");
    };
    assert_eq!(witness.key.bytes(), "other");
    assert_eq!((report.keys, report.operations), (2, 7));
}

#[test]
fn the_witness_is_words() {
    let words = |text: &str| check(&history(text), Limits::default()).to_string();
    assert_eq!(words(GOOD[2].1), "linearizable: 4 operations on 1 keys");
    assert_eq!(
        words(
            "1 set:a 0 1000000
               2 set:b 2000000 3000000
               3 get:a 4000001 5000000"
        ),
        r#"not linearizable: key "k": "a" was there both before and after "b"
  client 1: set of "a", 0.000000 ms to 1.000000 ms
  client 2: set of "b", 2.000000 ms to 3.000000 ms
  client 3: get of "a", 4.000001 ms to 5.000000 ms
  because "a" came before "b": client 1's set of "a" ended at 1.000000 ms, before client 2's set of "b" began at 2.000000 ms;
          "b" came before "a": client 2's set of "b" ended at 3.000000 ms, before client 3's get of "a" began at 4.000001 ms;
          nothing can have written "a" again in between"#
    );
    assert_eq!(
        words(
            "1 set:a 0 1
               2 get 2 3"
        ),
        r#"not linearizable: key "k": client 2 got nothing although "a" was there before
  client 1: set of "a", 0.000000 ms to 0.000001 ms
  client 2: get of nothing, 0.000002 ms to 0.000003 ms
  because client 1's set of "a" ended at 0.000001 ms, before client 2's get of nothing began at 0.000002 ms;
          no delete can have taken effect in between"#
    );
    assert_eq!(
        words(
            "1 set:a 0 1 failed
               2 get:a 2 3"
        ),
        r#"not linearizable: key "k": client 2 got "a", whose only set had failed
  client 1: set of "a", 0.000000 ms to 0.000001 ms, failed
  client 2: get of "a", 0.000002 ms to 0.000003 ms
  because client 1's set of "a" returned that it never takes effect"#
    );
    assert_eq!(
        words(
            "1 set:a 0 1
               1 delete 2 3 ?
               2 get 4 5
               2 get:a 6 7"
        ),
        r#"not linearizable: key "k": no order explains what these 4 operations returned
  client 1: set of "a", 0.000000 ms to 0.000001 ms
  client 1: delete, 0.000002 ms to 0.000003 ms, outcome unknown
  client 2: get of nothing, 0.000004 ms to 0.000005 ms
  client 2: get of "a", 0.000006 ms to 0.000007 ms
  because every order that respects their times fails; each may be taken out only with the contradiction;
          those with an unknown outcome may take effect at any time after their start, or never: that does not help"#
    );
}

/// Only deletes that are read, and values that repeat, take search steps.
#[test]
fn a_search_without_steps_is_undecided() {
    let limits = Limits { steps_per_key: 1 };
    let undecided = "1 set:a 0 1
                     1 delete 2 3
                     2 get 4 5";
    let report = check(&history(undecided), limits);
    assert!(matches!(report.verdict, Verdict::Undecided(_)), "{report}");
    let expected = "undecided: key \"k\": no answer within 1 search steps";
    assert_eq!(report.to_string(), expected);
    let plain = check(&history(GOOD[2].1), limits);
    assert_eq!(plain.verdict, Verdict::Linearizable);

    // A key with a violation outweighs one that is undecided.
    let mut both = history(undecided);
    for operation in history(BAD[0].2).operations {
        let key = quorate_register::Key::new("z").unwrap();
        both.operations.push(Operation { key, ..operation });
    }
    assert!(matches!(
        check(&both, limits).verdict,
        Verdict::Violation(_)
    ));
}

#[test]
fn more_concurrency_than_the_search_can_hold_is_undecided() {
    let crowd = |clients: u64| {
        let mut crowd = history("1 delete 0 1\n1 get 2 3");
        let sets = (0..clients).map(|client| format!("{client} set:v{client} 10 20"));
        let sets: Vec<_> = sets.collect();
        crowd
            .operations
            .extend(history(&sets.join("\n")).operations);
        check(&crowd, Limits::default()).verdict
    };
    assert_eq!(crowd(4096), Verdict::Linearizable);
    let Verdict::Undecided(undecided) = crowd(4097) else {
        panic!("4097 operations at once are too many");
    };
    assert_eq!(
        undecided.reason,
        "4097 operations were pending at once; the limit is 4096"
    );
}
